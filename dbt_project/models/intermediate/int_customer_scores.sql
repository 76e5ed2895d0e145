with

scored as (
    select
        lifetimes.customer_id,
        lifetimes.currency,
        lifetimes.last_order_date,
        lifetimes.orders_count,
        lifetimes.net_amount
    from {{ ref('int_customer_lifetimes') }} as lifetimes
    left join {{ ref('stg_customer_erasures') }} as erasures on lifetimes.customer_id = erasures.customer_id
    where erasures.customer_id is null
),

-- The key makes the order of equals a fixed one; amounts are ranked among customers who pay in the same currency. What
-- is not known is ranked nowhere.
fifths as (
    select
        *,
        ntile(5) over (order by last_order_date, customer_id) as recency_fifth,
        ntile(5) over (order by orders_count, customer_id) as frequency_fifth,
        case
            when net_amount is not null
                then
                    ntile(5) over (
                        partition by currency, case when net_amount is null then 0 else 1 end
                        order by net_amount, customer_id
                    )
        end as monetary_fifth
    from scored
),

-- Equals get one score, the lowest that any of them reached: most customers order once, and their ids must not spread
-- them over four fifths.
scores as (
    select
        customer_id,
        orders_count,
        last_order_date,
        min(recency_fifth) over (partition by last_order_date) as rfm_recency,
        min(frequency_fifth) over (partition by orders_count) as rfm_frequency,
        min(monetary_fifth) over (partition by currency, net_amount) as rfm_monetary
    from fifths
),

weighed as (
    select
        *,
        (rfm_frequency + rfm_monetary) / 2.0 as weight
    from scores
)

select
    customer_id,
    -- One order that a wrong clock dated beyond dim_date must not make everybody's last one look old.
    greatest(
        {{
            days_between('last_order_date', '(select max(order_date) from ' ~ ref('fct_orders')
                ~ " where order_date <= cast('" ~ var('last_day') ~ "' as date))")
        }},
        0
    ) as recency_days,
    rfm_recency,
    rfm_frequency,
    rfm_monetary,
    -- The table of segments:
    --
    --   recency   one order     several orders, by the mean of frequency and monetary
    --                           from 4        from 3     below
    --   4, 5      new           champions     loyal      promising
    --   3         promising     loyal         loyal      promising
    --   2         hibernating   at_risk       at_risk    hibernating
    --   1         lost          at_risk       at_risk    lost
    --
    -- and unknown for whom what was bought is not known in one currency.
    case
        when rfm_monetary is null then 'unknown'
        when orders_count = 1 and rfm_recency >= 4 then 'new'
        when orders_count > 1 and rfm_recency >= 4 and weight >= 4 then 'champions'
        when orders_count > 1 and rfm_recency >= 3 and weight >= 3 then 'loyal'
        when rfm_recency >= 3 then 'promising'
        when orders_count > 1 and weight >= 3 then 'at_risk'
        when rfm_recency = 2 then 'hibernating'
        else 'lost'
    end as rfm_segment
from weighed
