-- Amounts have the decimals of their currency. These marts read raw.web, of which retention may have dropped years: they
-- cannot be built whole again for a wider type, and need not be. Nothing is rewritten by this.
do $$
declare
    amount record;
begin
    for amount in
        select c.oid::regclass as mart, a.attname as name
        from pg_catalog.pg_class as c
        join pg_catalog.pg_attribute as a on a.attrelid = c.oid
        where c.relnamespace = 'marts'::regnamespace and c.relkind = 'r' and a.atttypmod <> -1
            and (c.relname, a.attname) in (
                ('fct_events', 'unit_price'), ('fct_carts', 'cart_value'), ('fct_attribution', 'attributed_net_amount')
            )
    loop
        execute format('alter table %s alter column %I type numeric', amount.mart, amount.name);
    end loop;
end
$$;
