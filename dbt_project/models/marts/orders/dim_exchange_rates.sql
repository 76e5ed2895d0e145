select
    {{ surrogate_key(['currency', 'rate_date']) }} as exchange_rate_id,
    currency,
    '{{ base_currency() }}' as base_currency,
    rate_date,
    valid_from,
    valid_to,
    rate_to_base
from {{ ref('int_exchange_rates') }}
