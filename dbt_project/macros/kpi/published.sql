{#- The figures of kpi_daily whose published values are kept, and what can change each of them. A new figure is added here
    and nowhere else: from the next build on its values are kept, and its first value is a publication, no restatement.

    causes   the types of events in fct_late_events that can change the figure
    absent   what a reader sees where kpi_daily has no row: zero, or nothing for a ratio

    Not `paid_amount` and `unpaid_amount`: they are of the order's day and move as customers pay, days later. That is the
    figure at work, not a correction of what was told, and would be most of the log.

    `form` says what is rendered of it (a macro can hand on text, but no list, to the linter's templater). -#}
{% macro published_figures(form, column='') -%}
    {%- set sales = ['order.placed', 'order.amended', 'order.cancelled'] -%}
    {%- set refunds = ['order.placed', 'order.amended', 'order.cancelled', 'refund.issued'] -%}
    {%- set visits = ['order.placed', 'web.session_started'] -%}
    {%- set figures = {
        'orders_count': {'causes': sales, 'absent': 0},
        'cancelled_orders_count': {'causes': sales, 'absent': 0},
        'units': {'causes': sales, 'absent': 0},
        'gross_amount': {'causes': sales, 'absent': 0},
        'discount_amount': {'causes': sales, 'absent': 0},
        'refund_amount': {'causes': refunds, 'absent': 0},
        'net_amount': {'causes': refunds, 'absent': 0},
        'shipping_amount': {'causes': sales, 'absent': 0},
        'tax_amount': {'causes': sales, 'absent': 0},
        'total_amount': {'causes': sales, 'absent': 0},
        'costed_revenue_amount': {'causes': sales, 'absent': 0},
        'cost_amount': {'causes': sales, 'absent': 0},
        'margin_amount': {'causes': sales, 'absent': 0},
        'margin_rate': {'causes': sales, 'absent': 'null'},
        'cost_coverage': {'causes': sales, 'absent': 'null'},
        'refund_amount_base': {'causes': refunds, 'absent': 0},
        'net_amount_base': {'causes': refunds, 'absent': 0},
        'total_amount_base': {'causes': sales, 'absent': 0},
        'margin_amount_base': {'causes': sales, 'absent': 0},
        'refund_tax_amount': {'causes': refunds, 'absent': 0},
        'refund_shipping_amount': {'causes': refunds, 'absent': 0},
        'refund_total_amount': {'causes': refunds, 'absent': 0},
        'customers_count': {'causes': sales, 'absent': 0},
        'new_customer_orders': {'causes': sales, 'absent': 0},
        'repeat_customer_orders': {'causes': sales, 'absent': 0},
        'new_customers': {'causes': sales, 'absent': 0},
        'sessions_count': {'causes': visits, 'absent': 0},
        'converting_sessions_count': {'causes': visits, 'absent': 0},
        'average_order_value': {'causes': sales, 'absent': 'null'},
        'conversion_rate': {'causes': visits, 'absent': 'null'},
        'repeat_rate': {'causes': sales, 'absent': 'null'},
        'refund_rate': {'causes': refunds, 'absent': 'null'},
    } -%}
    {%- for name, figure in figures.items() -%}
        {%- set last = loop.last -%}
        {%- if form == 'measures' %}
    select
        '{{ name }}' as measure,
        cast({{ figure.absent }} as {{ figure_type() }}) as absent_value
    {{ 'union all' if not last }}
        {%- elif form == 'causes' -%}
            {%- for cause in figure.causes %}
    select
        '{{ name }}' as measure,
        '{{ cause }}' as event_type
    {{ 'union all' if not (last and loop.last) }}
            {%- endfor -%}
        {%- else %}
            when {{ column }} = '{{ name }}' then cast({{ name }} as {{ figure_type() }})
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}


{#- One row per figure, columns `measure` and `absent_value`. -#}
{% macro published_measures() -%}
    {{ published_figures('measures') }}
{%- endmacro %}


{#- One row per figure and type of event that can change it, columns `measure` and `event_type`. -#}
{% macro causes_of_figures() -%}
    {{ published_figures('causes') }}
{%- endmacro %}


{#- The value of the figure that `column` names, of a row of kpi_daily. -#}
{% macro figure_of(column) -%}
    case
        {{- published_figures('values', column) }}
    end
{%- endmacro %}


{#- Wide enough for any amount and any ratio. -#}
{% macro figure_type() -%}
    numeric(30, 6)
{%- endmacro %}
