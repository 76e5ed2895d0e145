-- Which days of a fact changed, so that roll-ups build again those days and no others.

create table ops.changed_days (
    relation text not null,
    date_day date not null,
    _xid xid8 not null default pg_current_xact_id()
);
comment on table ops.changed_days is
    'Days of which rows of a fact (schema.table) changed, written by the transaction that changed them. -infinity: the'
    ' fact was built whole, any day may have changed. Rows that every roll-up has seen are removed.';
create index changed_days_relation_xid on ops.changed_days (relation, _xid);

alter table ops.model_watermarks add column changes_floor xid8;
comment on column ops.model_watermarks.changes_floor is
    'Roll-ups only: changes of facts by transactions below this one are contained.';

grant select, insert, delete on ops.changed_days to shop_transform;
grant select on ops.changed_days to shop_orchestrator, shop_dashboard, shop_grafana;
