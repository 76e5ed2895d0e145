-- The zone by whose midnights the marts are cut into days belongs to the data: a build in another one would leave old days
-- as they are and make new ones otherwise.

create table ops.warehouse_identity (
    only_row boolean primary key default true check (only_row),
    shop_tz text not null,
    changing_to text,
    changed_at timestamptz not null default clock_timestamp()
);
comment on table ops.warehouse_identity is
    'One row from the first build on. shop_tz: the zone of every business day; changing_to: what `shop rebuild` is at.';
grant select on ops.warehouse_identity
to shop_transform, shop_ingest, shop_orchestrator, shop_dashboard, shop_grafana;
grant insert, update on ops.warehouse_identity to shop_transform;

create function ops.shop_tz_refusal(wanted text, rebuilding boolean, out message text, out advice text)
language sql stable as $$
    select
        case
            when id.changing_to is not null
                then format('The warehouse is being rebuilt with the business days of %s', id.changing_to)
            else
                format(
                    'SHOP_SHOP_TZ is %s, but the business days of this warehouse begin at midnight of %s',
                    wanted, id.shop_tz
                )
        end,
        case
            when id.changing_to is not null
                then format('`shop rebuild --shop-tz %s` ends what was begun.', id.changing_to)
            else
                format(
                    'Set SHOP_SHOP_TZ=%s, or have every mart rebuilt: `shop rebuild --shop-tz %s`.', id.shop_tz, wanted
                )
        end
    from ops.warehouse_identity as id
    where
        case
            when rebuilding then id.changing_to is distinct from wanted
            else id.changing_to is not null or id.shop_tz <> wanted
        end
$$;
comment on function ops.shop_tz_refusal(text, boolean) is
    'Why nothing may be built in a zone, and what to do; nulls when it may. rebuilding: asked by `shop rebuild` itself.';

create function ops.claim_shop_tz(wanted text, rebuilding boolean) returns void
language plpgsql as $$
declare
    refusal record;
begin
    insert into ops.warehouse_identity (shop_tz) values (wanted) on conflict do nothing;
    select * into refusal from ops.shop_tz_refusal(wanted, rebuilding);
    if refusal.message is not null then
        raise exception using message = refusal.message || '. ' || refusal.advice;
    end if;
end
$$;
comment on function ops.claim_shop_tz(text, boolean) is
    'At the start of every build: the first one stores the zone, one in another zone fails.';
