-- A restored event is an ordinary new row of raw. That it was restored says that figures which were published are wrong until
-- every mart is built again: such a build does not wait for the night.

-- restored_xid  the transaction of the restoration; of those before this migration it is not known
alter table ops.retractions add column restored_xid xid8;
create index retractions_restored_xid on ops.retractions (restored_xid) where restored_xid is not null;
grant update (restored_xid) on ops.retractions to shop_ingest;
