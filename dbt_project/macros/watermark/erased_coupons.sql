{#- Orders whose coupon an erasure took out of raw since the floor: nothing new in raw names them. -#}
{% macro orders_with_erased_coupons() -%}
    select erased.order_id from ops.erased_coupons as erased
    where erased._xid >= {{ watermark_floor() }} and {{ below_ceiling('erased._xid') }}
{%- endmacro %}
