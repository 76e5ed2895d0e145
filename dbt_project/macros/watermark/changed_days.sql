{#- Roll-ups by day without reading a whole fact: each fact notes the days of which its rows changed, each roll-up builds
    those days again. A day that a row left counts as much as the one it came to: only the transaction that replaces the
    row knows both, so it is the one that notes them. -#}

{#- In the transaction of delete+insert, before it deletes: the days of rows that differ between what stands and what
    will. A fact names its day in `meta.day_column`. -#}
{% macro note_changed_days(target, source, unique_key, columns) -%}
    {%- set day_column = config.get('meta', {}).get('day_column') -%}
    {%- if day_column -%}
    {%- set listed = columns | map(attribute='quoted') | join(', ') -%}
    insert into ops.changed_days (relation, date_day)
    select distinct
        '{{ watermark_name(target) }}',
        changed.{{ day_column }}
    from (
        (
            select {{ listed }} from {{ target }} where {{ unique_key }} in (select {{ unique_key }} from {{ source }})
            except all
            select {{ listed }} from {{ source }}
        )
        union all
        (
            select {{ listed }} from {{ source }}
            except all
            select {{ listed }} from {{ target }} where {{ unique_key }} in (select {{ unique_key }} from {{ source }})
        )
    ) as changed
    where changed.{{ day_column }} is not null;
    {%- endif -%}
{%- endmacro %}


{#- Post-hook of every mart: a fact that was built whole may have changed any day. -#}
{% macro note_full_build() -%}
    {%- if not is_incremental() and model.config.get('meta', {}).get('day_column') -%}
    insert into ops.changed_days (relation, date_day) values ('{{ watermark_name(this) }}', '-infinity')
    {%- endif -%}
{%- endmacro %}


{#- Pre-hook of a roll-up over `facts` (name: its day column). One statement reads the changes and fixes from where the
    next build reads on: a change that commits in between is either in the list or above that mark. -#}
{% macro open_changed_days(facts) -%}
    {%- if execute -%}
    {%- set since = "coalesce((select marks.changes_floor from ops.model_watermarks as marks where marks.model = '"
        ~ watermark_name(this) ~ "'), cast('0' as xid8))" -%}
    select
        set_config('shop.changes_floor', cast(pg_snapshot_xmin(pg_current_snapshot()) as text), true)
        {%- if is_incremental() %},
        set_config('shop.changed_days', coalesce(string_agg(cast(days.date_day as text), ','), ''), true)
    from (
        select changed_days.date_day
        from ops.changed_days
        where
            changed_days.relation in ('{{ this.schema }}.{{ facts | join("', '" ~ this.schema ~ ".") }}')
            and changed_days._xid >= {{ since }}
            and changed_days.date_day > '-infinity'
        {%- for fact, day_column in facts.items() %}
        {%- set built_whole = "exists (select 1 from ops.changed_days where relation = '" ~ this.schema ~ "." ~ fact
            ~ "' and date_day = '-infinity' and _xid >= " ~ since ~ ")" %}
        union
        select {{ day_column }} from {{ this.schema }}.{{ fact }} where {{ built_whole }}
        union
        select date_day from {{ this }} where {{ built_whole }}
        {%- endfor %}
        {%- if is_reprocessing() %}
        union
        select reprocessed.date_day
        from ({{ day_spine(first_reprocessed_day(), last_reprocessed_day()) }}) as reprocessed
        {%- endif %}
    ) as days
        {%- endif %}
    {%- endif -%}
{%- endmacro %}


{#- Second pre-hook of a roll-up: what is built again goes first, also days of which nothing is left. -#}
{% macro clear_changed_days() -%}
    {%- if is_incremental() -%}
    delete from {{ this }} where {{ in_changed_days('date_day') }}
    {%- endif -%}
{%- endmacro %}


{#- Whether a row belongs to a day that is built. -#}
{% macro in_changed_days(column) -%}
    {{ return(adapter.dispatch('in_changed_days', 'shop')(column)) }}
{%- endmacro %}

{% macro default__in_changed_days(column) -%}
    {%- if is_incremental() -%}
    {{ column }} = any(cast({{ changed_days() }} as date []))
    {%- else -%}
    true
    {%- endif -%}
{%- endmacro %}


{#- The days that are built, an array of text. A macro of its own, so that a unit test can name some. -#}
{% macro changed_days() -%}
    string_to_array(current_setting('shop.changed_days'), ',')
{%- endmacro %}


{#- On-run-start: forget what every roll-up has seen. -#}
{% macro forget_changed_days() -%}
    delete from ops.changed_days
    where _xid < (select min(marks.changes_floor) from ops.model_watermarks as marks)
{%- endmacro %}
