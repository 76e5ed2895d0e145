with

listed as (
    {{ exchange_rates() }}
),

in_base as (
    select
        listed.currency,
        listed.rate_date,
        cast(listed.euros / base.euros as numeric(24, 8)) as rate_to_base
    from listed
    inner join listed as base
        on listed.rate_date = base.rate_date and base.currency = '{{ base_currency() }}'
)

select
    currency,
    rate_date,
    -- The first rate also holds for what happened before it.
    case
        when row_number() over (partition by currency order by rate_date) > 1 then rate_date
    end as valid_from,
    lead(rate_date) over (partition by currency order by rate_date) as valid_to,
    rate_to_base
from in_base
