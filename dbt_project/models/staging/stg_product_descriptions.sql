select
    event_id,
    subject as product_id,
    event_time as described_at,
    {{ event_name() }} = 'created' as is_creation,
    {{ json_text('sku') }} as sku,
    {{ json_text('name') }} as product_name,
    {{ json_text('category') }} as category,
    {{ json_text('subcategory') }} as subcategory,
    {{ json_text('brand') }} as brand,
    coalesce({{ json_boolean('active') }}, true) as is_active,
    _xid
from {{ source('raw', 'products') }}
where
    {{ is_any_event(['product.created', 'product.updated']) }}
    and {{ below_ceiling() }}
