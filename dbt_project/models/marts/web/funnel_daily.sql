select
    {{ surrogate_key(['session_date', 'currency', 'device']) }} as funnel_daily_id,
    session_date as date_day,
    currency,
    device,
    count(*) as sessions_count,
    sum(case when has_product_view then 1 else 0 end) as product_view_sessions_count,
    sum(case when has_cart then 1 else 0 end) as cart_sessions_count,
    sum(case when has_checkout then 1 else 0 end) as checkout_sessions_count,
    sum(case when has_order then 1 else 0 end) as order_sessions_count
from {{ ref('fct_sessions') }}
group by session_date, currency, device
