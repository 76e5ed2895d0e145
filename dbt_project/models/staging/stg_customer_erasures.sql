select
    event_id,
    subject as customer_id,
    event_time as erased_at,
    _xid
from {{ source('raw', 'customers') }}
where
    {{ is_event('customer.erased') }}
    and {{ below_ceiling() }}
