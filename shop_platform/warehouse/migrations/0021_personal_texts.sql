-- Texts that stay in raw are cleaned when they land and erased with their customer; what has landed is cleaned here.

-- Erasure changes rows of raw: the texts of a customer, and nothing else.
grant update (data) on raw.customers, raw.web to shop_ingest;
grant update (data) on raw.orders to shop_ingest;
grant update (data) on ops.retractions to shop_ingest;
-- A replay that found a letter still invalid noted both reasons, and a reason may quote the message.
grant update (detail) on ops.dead_letter_actions to shop_ingest;
alter table ops.dead_letter_actions alter column detail set statistics 0;

-- _xid of a row in raw says which transaction landed it, and stays. So the marts that show coupons learn from here which
-- orders they must build again.
create table ops.erased_coupons (
    order_id text not null,
    _xid xid8 not null default pg_current_xact_id()
);
comment on table ops.erased_coupons is
    'Orders whose coupon was taken out of raw, because it told of a person. Grain: one order each time.';
create index erased_coupons_xid on ops.erased_coupons (_xid);
grant select, insert on ops.erased_coupons to shop_ingest;
grant select on ops.erased_coupons to shop_transform, shop_orchestrator;

-- Whose an order is, and who else has typed a coupon.
create index orders_customer on raw.orders ((data ->> 'customer_id')) where starts_with(event_type, 'shop.order.placed.v');
create index orders_coupon on raw.orders ((data ->> 'coupon'))
    where starts_with(event_type, 'shop.order.placed.v') and data ->> 'coupon' is not null;

comment on column pii.personal_data.subject is
    'The subject of the event: a customer, or the session or the order whose customer other events tell.';
comment on column pii.personal_data.customer_id is
    'The token by which everything else knows the customer. Null for what a session or an order holds: whose it was, the'
    ' events of the session and the order tell.';

-- What shop_platform/events/spelling.py does at the door, for the spellings that are found in what has landed: an @, as
-- it is, percent-encoded once or twice, escaped or as an entity, in any word of the text.
create function pii.without_addresses(body text) returns text
language sql immutable strict
set search_path = ''
return regexp_replace(
    body, '[^\s]+(@|＠|﹫|%(25)*40|\\u0040|&#0*64;|&#[xX]0*40;|&commat;)[^\s]+', '[removed]', 'gi'
);

-- The path of a page's address. Parameters are dropped: what landed before had no place for those that are kept now.
create function pii.page_path(url text) returns text
language sql immutable strict
set search_path = ''
return regexp_replace(
    regexp_replace(url, '[?#].*$', ''), '[^/]*([@=;＠﹫\\]|%(25)*(23|26|3[bdf]|40|5c))[^/]*', '[removed]', 'gi'
);

-- The same for rows of raw; returns how many were changed. Safe to repeat.
create function pii.clean_texts_in_raw() returns bigint
language plpgsql
set search_path = ''
as $$
declare
    changed bigint := 0;
    cleaned bigint;
begin
    lock table raw.customers, raw.products, raw.web, raw.orders in share row exclusive mode;

    -- _xid stays where no model reads the text. Of customers and products it moves: then their marts are built again.
    update raw.web as w set data = w.data || jsonb_build_object('landing_page', pii.page_path(w.data ->> 'landing_page'))
    where starts_with(w.event_type, 'shop.web.session_started.v')
        and pii.page_path(w.data ->> 'landing_page') <> w.data ->> 'landing_page';
    get diagnostics cleaned = row_count;
    changed := changed + cleaned;
    update raw.web as w set data = w.data || jsonb_build_object('page', pii.page_path(w.data ->> 'page'))
    where starts_with(w.event_type, 'shop.web.page_viewed.v') and pii.page_path(w.data ->> 'page') <> w.data ->> 'page';
    get diagnostics cleaned = row_count;
    changed := changed + cleaned;

    update raw.products as p set
        data = p.data || jsonb_strip_nulls(jsonb_build_object(
            'name', pii.without_addresses(p.data ->> 'name'), 'brand', pii.without_addresses(p.data ->> 'brand')
        )),
        _xid = pg_current_xact_id()
    where (starts_with(p.event_type, 'shop.product.created.v') or starts_with(p.event_type, 'shop.product.updated.v'))
        and (
            pii.without_addresses(p.data ->> 'name') <> p.data ->> 'name'
            or pii.without_addresses(p.data ->> 'brand') <> p.data ->> 'brand'
        );
    get diagnostics cleaned = row_count;
    changed := changed + cleaned;

    update raw.customers as c set
        data = jsonb_set(c.data, '{address}', (c.data -> 'address') || jsonb_strip_nulls(jsonb_build_object(
            'city', pii.without_addresses(c.data #>> '{address,city}'),
            'region', pii.without_addresses(c.data #>> '{address,region}')
        ))),
        _xid = pg_current_xact_id()
    where (starts_with(c.event_type, 'shop.customer.created.v') or starts_with(c.event_type, 'shop.customer.updated.v'))
        and jsonb_typeof(c.data -> 'address') = 'object'
        and (
            pii.without_addresses(c.data #>> '{address,city}') <> c.data #>> '{address,city}'
            or pii.without_addresses(c.data #>> '{address,region}') <> c.data #>> '{address,region}'
        );
    get diagnostics cleaned = row_count;
    changed := changed + cleaned;
    update raw.customers as c set
        data = c.data || jsonb_build_object('locale', pii.without_addresses(c.data ->> 'locale')),
        _xid = pg_current_xact_id()
    where (starts_with(c.event_type, 'shop.customer.created.v') or starts_with(c.event_type, 'shop.customer.updated.v'))
        and pii.without_addresses(c.data ->> 'locale') <> c.data ->> 'locale';
    get diagnostics cleaned = row_count;
    changed := changed + cleaned;

    -- A coupon that holds an @ is personal: the customer's, unless that one asked to be forgotten.
    insert into pii.personal_data (event_id, event_type, subject, customer_id, event_time, data)
    select o.event_id, o.event_type, o.subject, null, o.event_time, jsonb_build_object('coupon', o.data -> 'coupon')
    from raw.orders as o
    where starts_with(o.event_type, 'shop.order.placed.v') and o.data ->> 'coupon' is not null
        and o.data ->> 'coupon' ~* '@|＠|﹫|%(25)*40|\\u0040|&#0*64;|&#x0*40;|&commat;'
        and not exists (
            select from raw.customers as e
            where e.subject = o.data ->> 'customer_id' and starts_with(e.event_type, 'shop.customer.erased.v')
        )
    on conflict do nothing;
    with changed as (
        update raw.orders as o set data = jsonb_set(o.data, '{coupon}', '"[removed]"')
        where starts_with(o.event_type, 'shop.order.placed.v') and o.data ->> 'coupon' is not null
            and o.data ->> 'coupon' ~* '@|＠|﹫|%(25)*40|\\u0040|&#0*64;|&#x0*40;|&commat;'
        returning o.subject
    )
    insert into ops.erased_coupons (order_id) select subject from changed;
    get diagnostics cleaned = row_count;
    return changed + cleaned;
end
$$;
revoke execute on function pii.clean_texts_in_raw() from public;

-- What an operator calls when an older version of the ingestion has written meanwhile does both.
alter function pii.move_from_raw() rename to move_fields_from_raw;
create function pii.move_from_raw() returns bigint
language plpgsql
set search_path = ''
as $$
begin
    return pii.move_fields_from_raw() + pii.clean_texts_in_raw();
end
$$;
comment on function pii.move_from_raw() is
    'Treats what is personal in rows of raw as the ingestion does when they land; returns how many rows. Safe to repeat.';
revoke execute on function pii.move_from_raw() from public;
select pii.clean_texts_in_raw();
