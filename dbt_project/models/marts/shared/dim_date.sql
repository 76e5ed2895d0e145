with

days as (
    {{ day_spine(var('first_day'), var('last_day')) }}
)

select
    date_day,
    cast(extract(isoyear from date_day) as integer) as iso_year,
    cast(extract(week from date_day) as integer) as iso_week,
    cast(extract(year from date_day) as integer) as year,
    cast(extract(quarter from date_day) as integer) as quarter,
    cast(extract(month from date_day) as integer) as month,
    {{ date_name('month', 'date_day') }} as month_name,
    {{ month_start('date_day') }} as month_start,
    cast(extract(day from date_day) as integer) as day_of_month,
    cast(extract(isodow from date_day) as integer) as iso_day_of_week,
    {{ date_name('day', 'date_day') }} as day_name,
    extract(isodow from date_day) >= 6 as is_weekend
from days
