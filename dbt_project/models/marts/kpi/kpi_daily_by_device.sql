{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        indexes=[
            {'columns': ['date_day']},
        ],
        pre_hook=[
            "{{ open_changed_days({'fct_orders': 'order_date', 'fct_customer_orders': 'order_date', 'fct_refunds': 'refund_date', 'fct_sessions': 'session_date'}) }}",
            "{{ clear_changed_days() }}",
        ],
        tags=['hot'],
    )
}}

{{ kpi_split('device') }}
