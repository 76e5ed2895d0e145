{#- An expression whose number depends on the decimals of `currency`, a column or a literal: of it, DECIMALS is replaced. Of
    the currencies whose smallest unit is not a hundredth, by ISO 4217, the decimals are listed here. -#}
{% macro by_decimals(expression, currency) -%}
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
        when {{ currency }} in ('{{ currencies | join("', '") }}') then {{ expression | replace('DECIMALS', digits) }}
        {%- endfor %}
        else {{ expression | replace('DECIMALS', 2) }}
    end
{%- endmacro %}


{#- The amount, rounded to the smallest unit of `currency`. -#}
{% macro rounded_in(amount, currency) -%}
    {{ by_decimals('round(' ~ amount ~ ', DECIMALS)', currency) }}
{%- endmacro %}


{#- Half of the smallest unit of `currency`: the most by which rounding to it changes an amount. -#}
{% macro half_a_unit_of(currency) -%}
    {{ by_decimals('0.5e-DECIMALS', currency) }}
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


{#- By how much the result of `converted` may differ from what was meant: the conversion rounds to the smallest unit of
    `into`, and whoever told the amount had rounded it to that of `currency`. None where nothing is converted. Amounts that
    were converted one by one are compared with this much allowed for each. -#}
{% macro rounding_of_converted(currency, into, rate, rate_into) -%}
    case
        when {{ currency }} <> {{ into }}
            then {{ half_a_unit_of(into) }} + {{ half_a_unit_of(currency) }} * {{ rate }} / {{ rate_into }}
        else 0
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
