-- Whose a dead letter is, and a feed of dead letters that a producer's team may read.

-- The source that the message names, if it names one: filters, checks and the feed tell producers apart by it.
alter table ops.dead_letters add column source text;
comment on column ops.dead_letters.source is
    'The source that the message names, without query and addresses; null where nobody can read one.';
grant select (source) on ops.dead_letters to shop_transform, shop_orchestrator, shop_dashboard, shop_grafana;

-- Of what has landed: the source as it stands in the header or the body, if it is a plain path or URI.
create function ops.source_of_message(value bytea, headers jsonb) returns text
language plpgsql immutable
set search_path = ''
as $$
declare
    found text;
begin
    select h ->> 1 into found from jsonb_array_elements(headers) as h
    where lower(h ->> 0) = 'ce_source' and jsonb_typeof(h -> 1) = 'string' limit 1;
    if found is null and value is not null then
        -- Not jsonb: a number that it cannot hold may stand beside the source.
        found := convert_from(value, 'UTF8')::json ->> 'source';
    end if;
    return case when found ~ '^[A-Za-z0-9._~:/-]{1,255}$' then found end;
exception when others then
    return null;
end
$$;
update ops.dead_letters set source = ops.source_of_message(message_value, headers) where erased_at is null;
drop function ops.source_of_message(bytea, jsonb);

-- What is wrong, in words, without the values of one message. A reason puts these in quotation marks, and nothing else.
create function ops.reason_in_words(error_class text, error text) returns text
language plpgsql immutable strict parallel safe
set search_path = ''
as $$
declare
    said text := left(error, 2000);
    rule text[];
begin
    if error_class = 'retracted' then
        return said;
    end if;
    foreach rule slice 1 in array array[
        -- Two figures that should be one.
        [' is ''[^'']*'', but (.*?) is ''[^'']*''', ' is not \1'],
        -- What was found: what is said about it stays.
        ['; it is (the number |the text )?''[^'']*'', but ', '; '],
        ['; it is (the number |the text )?''[^'']*'', (which|whose)', '; it is a text \2'],
        ['; it is (the number |the text )?''[^'']*'', ', '; it is '],
        ['; it is (the number |the text )?''[^'']*''', ''],
        [' is ''[^'']*'', but ', ' does not fit: '],
        [' is ''[^'']*'', (which|whose)', ' is a value \1'],
        [' is ''[^'']*'', as that', ' is that'],
        [' is ''[^'']*'', ', ' is '],
        [' (before|after) ''[^'']*'', ', ' \1 '],
        -- Places within one message.
        [' \(byte \d+(, near ''[^'']*'')?\)', ''],
        [' at byte \d+', ''],
        [', and begins with ''[^'']*''', ''],
        [' and says ''[^'']*'' and ''[^'']*''', ''],
        ['the charset ''[^'']*''', 'another charset'],
        ['id ''[^'']*'', but the message is known by id ''[^'']*''', 'another id than the message is known by'],
        -- Whatever else is quoted.
        ['[:,]? ?''[^'']*''', ''],
        ['[:,]? ?"[^"]*"', '']
    ]
    loop
        said := regexp_replace(said, rule[1], rule[2], 'g');
    end loop;
    return said;
end
$$;
comment on function ops.reason_in_words(text, text) is
    'The reason of a dead letter as a sentence without what it quotes: it may be shown to whoever may not see messages.';

-- An id that was used again is no name of a letter, and the producer looks for it all the same: of a letter that has no
-- id of its own, the one that the reason tells. A UUID is nobody's data.
create function ops.id_of_dead_letter(event_id uuid, error_class text, error text) returns uuid
language sql immutable parallel safe
as $$
    select coalesce(
        event_id,
        case
            when error_class = 'id_reused'
                then substring(error from '^`id` ''([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})''')::uuid
        end
    )
$$;
comment on function ops.id_of_dead_letter(uuid, text, text) is
    'The id of the event in a dead letter, or the one that its reason says was used again.';

-- Only what is complete now, so that whoever reads on from the last row has missed none: a slow transaction may commit a
-- lower id after a higher one was read.
create view ops.dead_letter_feed as
select
    _xid,
    dead_letter_id,
    received_at,
    source,
    -- Somebody may have put a person where the type belongs.
    case when event_type ~ '^[a-z0-9_]+([.][a-z0-9_]+)*$' then event_type end as event_type,
    topic,
    partition,
    "offset",
    ops.id_of_dead_letter(event_id, error_class, error) as event_id,
    event_time,
    error_class,
    schema_path,
    ops.reason_in_words(error_class, error) as reason,
    md5(concat_ws(chr(31), error_class, topic, event_type, schema_path, error_sentence)) as cause,
    status
from ops.dead_letters
where error_class <> 'retracted' and _xid < pg_snapshot_xmin(pg_current_snapshot());
comment on view ops.dead_letter_feed is
    'What could not land, for the teams whose producers sent it: place, class, reason in words, never content. Read on from'
    ' the last row by (_xid, dead_letter_id). `cause` is the same for letters that share one.';
create index dead_letters_feed on ops.dead_letters (_xid, dead_letter_id);

-- The role of producers' teams: this view and nothing else.
grant usage on schema ops to shop_producer;
grant select on ops.dead_letter_feed to shop_producer, shop_ingest, shop_transform, shop_orchestrator;
