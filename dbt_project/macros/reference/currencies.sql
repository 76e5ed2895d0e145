{#- The amount, rounded to the smallest unit of `currency`, a column or a literal. Of the currencies whose unit is not a
    hundredth, by ISO 4217, the decimals are listed here. -#}
{% macro rounded_in(amount, currency) -%}
    {%- set decimals = {
        0: [
            'BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV', 'XAF',
            'XOF', 'XPF',
        ],
        3: ['BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND'],
        4: ['CLF', 'UYW'],
    } -%}
    case
        {%- for digits, currencies in decimals.items() %}
        when {{ currency }} in ('{{ currencies | join("', '") }}') then round({{ amount }}, {{ digits }})
        {%- endfor %}
        else round({{ amount }}, 2)
    end
{%- endmacro %}


{#- The amount, rounded to the smallest unit of the base currency. -#}
{% macro rounded_in_base(amount) -%}
    {{ rounded_in(amount, "'" ~ base_currency() ~ "'") }}
{%- endmacro %}


{#- The amount, told in `currency`, in the currency `into`: as told when they are the same, else at two rates to the base
    currency; null when one of them is not listed. Amounts of two currencies are never added: they are converted first. -#}
{% macro converted(amount, currency, into, rate, rate_into) -%}
    case
        when {{ currency }} <> {{ into }} then {{ rounded_in(amount ~ ' * ' ~ rate ~ ' / ' ~ rate_into, into) }}
        else {{ amount }}
    end
{%- endmacro %}


{#- The days (currency, date_day) whose rates `converted` needs for the rows of `told`: columns `currency`, `into` and
    `order_date`. Most shops need none. -#}
{% macro days_to_convert(told, into='order_currency') -%}
    select
        currency,
        order_date as date_day
    from {{ told }}
    where currency <> {{ into }}
    union
    select
        {{ into }} as currency,
        order_date as date_day
    from {{ told }}
    where currency <> {{ into }}
{%- endmacro %}
