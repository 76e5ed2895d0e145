{%- set attribution_models = ['first_touch', 'last_touch', 'linear', 'position_based'] -%}
with

touches as (
    select
        touch_date as date_day,
        currency,
        channel,
        count(*) as touches_count,
        sum(touch_cost) as spend
    from {{ ref('fct_marketing_touches') }}
    group by touch_date, currency, channel
),

orders as (
    select
        order_date as date_day,
        currency,
        channel,
        {%- for name in attribution_models %}
        sum(case when attribution_model = '{{ name }}' then weight end) as {{ name }}_orders,
        sum(case when attribution_model = '{{ name }}' then attributed_net_amount end) as {{ name }}_net_amount
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from {{ ref('fct_attribution') }}
    where not is_cancelled
    group by order_date, currency, channel
),

days as (
    select
        date_day,
        currency,
        channel
    from touches
    union
    select
        date_day,
        currency,
        channel
    from orders
)

select
    {{ surrogate_key(['days.date_day', 'days.currency', 'days.channel']) }} as channel_performance_id,
    days.date_day,
    days.currency,
    days.channel,
    coalesce(touches.touches_count, 0) as touches_count,
    {{ money('coalesce(touches.spend, 0)') }} as spend,
    {%- for name in attribution_models %}
    cast(coalesce(orders.{{ name }}_orders, 0) as numeric(24, 6)) as {{ name }}_orders,
    {{ money('coalesce(orders.' ~ name ~ '_net_amount, 0)') }} as {{ name }}_net_amount,
    {{ ratio('coalesce(orders.' ~ name ~ '_net_amount, 0)', 'touches.spend') }} as {{ name }}_roas
    {%- if not loop.last %},{% endif %}
    {%- endfor %}
from days
left join touches
    on days.date_day = touches.date_day and days.currency = touches.currency and days.channel = touches.channel
left join orders
    on days.date_day = orders.date_day and days.currency = orders.currency and days.channel = orders.channel
