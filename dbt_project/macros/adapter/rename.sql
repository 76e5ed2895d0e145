{#- Replaces dbt's own `rename_relation`, which puts a new build into the place of the old one.

    A rename waits for everybody who is reading the relation, and everybody who wants to read it afterwards waits behind
    the rename: one transaction that a reader forgot to end would stop every screen. So the rename is tried for a tenth
    of a second at a time, with pauses in which readers pass. It gives up after ten minutes; by then the time-outs of the
    reading roles (shop_platform/warehouse/roles.py) have ended whatever was in its way. -#}
{% macro postgres__rename_relation(from_relation, to_relation) -%}
    {%- call statement('rename_relation') -%}
        do $rename$
        declare
            usual constant text := current_setting('lock_timeout');
            deadline constant timestamptz := clock_timestamp() + interval '10 minutes';
        begin
            loop
                begin
                    perform set_config('lock_timeout', '100ms', true);
                    alter table {{ from_relation.render() }}
                        rename to {{ adapter.quote_as_configured(to_relation.identifier, 'identifier') }};
                    perform set_config('lock_timeout', usual, true);
                    return;
                exception when lock_not_available then
                    if clock_timestamp() > deadline then
                        raise exception 'somebody has been reading {{ from_relation.render() }} for ten minutes: it cannot be replaced'
                            using hint = '`shop status` names the session';
                    end if;
                    perform pg_sleep(0.4);
                end;
            end loop;
        end
        $rename$
    {%- endcall -%}
{%- endmacro %}
