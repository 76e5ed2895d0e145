-- Events of producers without a ledger, beside one that keeps one, are counted apart and break nothing.

alter table ops.reconciliations add column foreign_events bigint not null default 0;
comment on column ops.reconciliations.foreign_events is
    'Events of producers without a ledger; 0 when nobody keeps one (produced is null then).';
comment on column ops.reconciliations.holds is 'Every id is where it should be, once, and every hour adds up.';
comment on column ops.reconciliation.produced is
    'Messages that Kafka acknowledged to producers with a ledger, and those of producers without one; null when no'
    ' producer writes down all its events.';
