{#- What may follow what in the life of an order. -#}

{#- The legal changes of status, columns `from_status` and `to_status`; an order begins by being placed.

    Several payments, returns and refunds of one order are legal. Money may go back at any time after the payment (a
    part of an order cannot be delivered) and the rest of the order goes on; goods may be refunded without being sent
    back. -#}
{% macro legal_status_changes() -%}
    {%- set legal = {
        'placed': ['payment_failed', 'paid', 'cancelled'],
        'payment_failed': ['payment_failed', 'paid', 'cancelled'],
        'paid': ['paid', 'shipped', 'cancelled', 'refunded'],
        'shipped': ['delivered', 'refunded'],
        'delivered': ['return_requested', 'refunded'],
        'cancelled': ['refunded'],
        'return_requested': ['return_requested', 'return_received', 'refunded'],
        'return_received': ['return_requested', 'return_received', 'refunded'],
        'refunded': ['shipped', 'delivered', 'return_requested', 'return_received', 'refunded'],
    } -%}
    select
        listed.from_status,
        listed.to_status
    from (
        values
        {%- for from_status, followers in legal.items() %}
        {%- set last = loop.last %}
        {%- for to_status in followers %}
        ('{{ from_status }}', '{{ to_status }}'){{ ',' if not (last and loop.last) }}
        {%- endfor %}
        {%- endfor %}
    ) as listed (from_status, to_status)
{%- endmacro %}


{#- The order of steps that are told with the same time. -#}
{% macro status_rank(column) -%}
    case {{ column }}
        when 'placed' then 1
        when 'payment_failed' then 2
        when 'paid' then 3
        when 'shipped' then 4
        when 'delivered' then 5
        when 'cancelled' then 6
        when 'return_requested' then 7
        when 'return_received' then 8
        when 'refunded' then 9
    end
{%- endmacro %}
