-- A role for BI tools and for people with SQL, apart from the Dash app's: its limits and its sessions are its own.
grant usage on schema marts to shop_bi;
grant select on all tables in schema marts to shop_bi;
alter default privileges for role shop_transform in schema marts grant select on tables to shop_bi;

-- `shop status` names the session that a build waits for. On a server whose administrator may not hand this right on,
-- it names none.
do $$
begin
    grant pg_read_all_stats to shop_orchestrator;
exception when insufficient_privilege then
    raise notice 'shop_orchestrator may not see what other sessions do: grant pg_read_all_stats to it';
end
$$;
