-- What is personal lives here and nowhere else: the raw tables keep the rest of each event, and the customer's token.
create schema pii;
comment on schema pii is
    'Personal data, read by no service: the ingestion writes it and erases it, a person looks at it as the administrator.';
grant usage on schema pii to shop_ingest;

-- The type belongs to the key, because two events of different topics may bear one id: a fault, but both land.
create table pii.personal_data (
    event_id uuid not null,
    event_type text not null,
    subject text not null,
    customer_id text,
    event_time timestamptz not null,
    data jsonb not null,
    _xid xid8 not null default pg_current_xact_id(),
    constraint personal_data_pk primary key (event_id, event_type),
    constraint personal_data_customer check (customer_id = subject)
);
comment on table pii.personal_data is
    'The personal fields of events, taken out of raw when they landed. Grain: one event that has any.';
comment on column pii.personal_data.subject is 'The subject of the event: a customer, or the session that searched.';
comment on column pii.personal_data.customer_id is
    'The token by which everything else knows the customer. Null for search words: whose session it was, the events of'
    ' the session may tell.';
create index personal_data_subject on pii.personal_data (subject);

create table pii.erased_sessions (
    session_id text not null,
    constraint erased_sessions_pk primary key (session_id)
);
comment on table pii.erased_sessions is
    'Sessions of customers who asked to be forgotten: their search words are not kept, also those that come later.';

-- Only ever added to and deleted, never changed.
grant select, insert, delete on pii.personal_data to shop_ingest;
grant select, insert on pii.erased_sessions to shop_ingest;

-- A deleted row stays in the file until it is vacuumed; usually that waits for a fifth of the table. And statistics keep
-- examples of a column's values: none of these.
alter table pii.personal_data alter column data set statistics 0;
alter table ops.dead_letters
    alter column message_key set statistics 0,
    alter column message_value set statistics 0,
    alter column fixed_value set statistics 0,
    alter column headers set statistics 0,
    alter column error set statistics 0;
alter table pii.personal_data set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 0);

-- Who asked, and which sessions an event names together with a customer: few rows of big tables.
create index customers_erased on raw.customers (subject) where starts_with(event_type, 'shop.customer.erased.v');
create index web_session_customer on raw.web ((data ->> 'customer_id'))
    where starts_with(event_type, 'shop.web.session_started.v') and data ->> 'customer_id' is not null;
create index orders_session_customer on raw.orders ((data ->> 'customer_id'))
    where starts_with(event_type, 'shop.order.placed.v') and data ->> 'session_id' is not null;
create index marketing_session_customer on raw.marketing ((data ->> 'customer_id'))
    where starts_with(event_type, 'shop.marketing.touched.v') and data ->> 'session_id' is not null;

-- Erasure takes the content out of dead letters that mention the customer; place, time, reason and hash stay.
alter table ops.dead_letters add column erased_at timestamptz;
comment on column ops.dead_letters.erased_at is
    'When key, values and headers were removed, because a customer whom they mention asked to be forgotten.';
grant select (erased_at) on ops.dead_letters to shop_dashboard, shop_grafana;
-- What a message holds may be personal, and the reason may quote it: services see the rest, as screens do.
revoke select on ops.dead_letters from shop_transform, shop_orchestrator;
grant select (dead_letter_id, topic_id, topic, partition, "offset", incarnation, error_class, error_sentence, schema_path,
    event_id, event_type, event_time, message_time, status, outcome, received_at, erased_at, _xid)
    on ops.dead_letters to shop_transform, shop_orchestrator;
alter table ops.dead_letters
    set (autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_scale_factor = 0.02);
alter table ops.dead_letter_actions
    drop constraint dead_letter_actions_action_check,
    add constraint dead_letter_actions_action_check check (action in ('fix', 'replay', 'discard', 'reopen', 'erase')),
    drop constraint dead_letter_actions_outcome_check,
    add constraint dead_letter_actions_outcome_check check (outcome in (
        'fixed', 'landed', 'duplicate', 'still_invalid', 'discarded', 'reopened', 'erased'
    ));

-- Moves what rows in raw hold that is personal, as the ingestion does since this migration, and returns how many rows
-- that were. What belongs to customers who asked to be forgotten is dropped on the way. Safe to repeat: for rows that an
-- older version of the ingestion may have written meanwhile.
create function pii.move_from_raw() returns bigint
language plpgsql
set search_path = ''
as $$
declare
    person constant text[] := array['email', 'first_name', 'last_name', 'phone', 'birth_date'];
    address constant text[] := array['street', 'postal_code'];
    words constant text[] := array['query'];
    customers bigint;
    searches bigint;
begin
    lock table raw.customers, raw.web in share row exclusive mode;

    insert into pii.erased_sessions (session_id)
    select s.session_id
    from raw.customers as c
    cross join lateral (
        select w.subject as session_id from raw.web as w
        where starts_with(w.event_type, 'shop.web.session_started.v') and w.data ->> 'customer_id' is not null
            and w.data ->> 'customer_id' = c.subject
        union
        select o.data ->> 'session_id' from raw.orders as o
        where starts_with(o.event_type, 'shop.order.placed.v') and o.data ->> 'session_id' is not null
            and o.data ->> 'customer_id' = c.subject
        union
        select m.data ->> 'session_id' from raw.marketing as m
        where starts_with(m.event_type, 'shop.marketing.touched.v') and m.data ->> 'session_id' is not null
            and m.data ->> 'customer_id' = c.subject
    ) as s
    where starts_with(c.event_type, 'shop.customer.erased.v')
    on conflict do nothing;

    insert into pii.personal_data (event_id, event_type, subject, customer_id, event_time, data)
    select c.event_id, c.event_type, c.subject, c.subject, c.event_time, p.fields
    from raw.customers as c
    cross join lateral (
        select coalesce((select jsonb_object_agg(f.key, f.value) from jsonb_each(c.data) as f where f.key = any(person)), '{}')
            || case when jsonb_typeof(c.data -> 'address') = 'object' then coalesce((
                select jsonb_build_object('address', jsonb_object_agg(f.key, f.value))
                from jsonb_each(c.data -> 'address') as f where f.key = any(address) having count(*) > 0
            ), '{}') else '{}' end as fields
    ) as p
    where (starts_with(c.event_type, 'shop.customer.created.v') or starts_with(c.event_type, 'shop.customer.updated.v'))
        and p.fields <> '{}'
        and not exists (
            select from raw.customers as e
            where e.subject = c.subject and starts_with(e.event_type, 'shop.customer.erased.v')
        )
    on conflict do nothing;

    -- _xid stays: no model reads what is moved, so nothing has to be built again.
    update raw.customers as c
    set data = case
        when jsonb_typeof(c.data -> 'address') = 'object'
            then jsonb_set(c.data - person, '{address}', (c.data -> 'address') - address)
        else c.data - person
    end
    where (starts_with(c.event_type, 'shop.customer.created.v') or starts_with(c.event_type, 'shop.customer.updated.v'))
        and (c.data ?| person or (jsonb_typeof(c.data -> 'address') = 'object' and c.data -> 'address' ?| address));
    get diagnostics customers = row_count;

    insert into pii.personal_data (event_id, event_type, subject, customer_id, event_time, data)
    select w.event_id, w.event_type, w.subject, null, w.event_time, jsonb_build_object('query', w.data -> 'query')
    from raw.web as w
    where starts_with(w.event_type, 'shop.web.searched.v') and w.data ? 'query'
        and not exists (select from pii.erased_sessions as e where e.session_id = w.subject)
    on conflict do nothing;

    update raw.web as w set data = w.data - words
    where starts_with(w.event_type, 'shop.web.searched.v') and w.data ?| words;
    get diagnostics searches = row_count;
    return customers + searches;
end
$$;
revoke execute on function pii.move_from_raw() from public;
select pii.move_from_raw();
