select
    event_id,
    subject as customer_id,
    event_time as changed_at,
    {{ event_name() }} = 'created' as is_creation,
    {{ json_text('country', json_object('address')) }} as country,
    {{ json_text('region', json_object('address')) }} as region,
    {{ json_text('city', json_object('address')) }} as city,
    {{ json_text('locale') }} as locale,
    {{ json_text('acquisition_channel') }} as acquisition_channel,
    {{ json_boolean('marketing_consent') }} as has_marketing_consent,
    _xid
from {{ source('raw', 'customers') }}
where
    {{ is_any_event(['customer.created', 'customer.updated']) }}
    and {{ below_ceiling() }}
