-- Dead letters without an id that stand in no producer's ledger count as produced too.

comment on column ops.reconciliation.produced is
    'Messages that Kafka acknowledged to the producer, and dead letters without an id that are in no producer''s ledger;'
    ' null without a ledger.';
