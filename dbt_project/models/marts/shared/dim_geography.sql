with

-- Europe and the large markets. A country outside this list is inferred as soon as it occurs.
known as (
    select * from (
        values
        ('AT', 'Austria', 'Western Europe', 'EUR', true),
        ('BE', 'Belgium', 'Western Europe', 'EUR', true),
        ('BG', 'Bulgaria', 'Eastern Europe', 'EUR', true),
        ('HR', 'Croatia', 'Southern Europe', 'EUR', true),
        ('CY', 'Cyprus', 'Southern Europe', 'EUR', true),
        ('CZ', 'Czechia', 'Eastern Europe', 'CZK', true),
        ('DK', 'Denmark', 'Northern Europe', 'DKK', true),
        ('EE', 'Estonia', 'Northern Europe', 'EUR', true),
        ('FI', 'Finland', 'Northern Europe', 'EUR', true),
        ('FR', 'France', 'Western Europe', 'EUR', true),
        ('DE', 'Germany', 'Western Europe', 'EUR', true),
        ('GR', 'Greece', 'Southern Europe', 'EUR', true),
        ('HU', 'Hungary', 'Eastern Europe', 'HUF', true),
        ('IE', 'Ireland', 'Northern Europe', 'EUR', true),
        ('IT', 'Italy', 'Southern Europe', 'EUR', true),
        ('LV', 'Latvia', 'Northern Europe', 'EUR', true),
        ('LT', 'Lithuania', 'Northern Europe', 'EUR', true),
        ('LU', 'Luxembourg', 'Western Europe', 'EUR', true),
        ('MT', 'Malta', 'Southern Europe', 'EUR', true),
        ('NL', 'Netherlands', 'Western Europe', 'EUR', true),
        ('PL', 'Poland', 'Eastern Europe', 'PLN', true),
        ('PT', 'Portugal', 'Southern Europe', 'EUR', true),
        ('RO', 'Romania', 'Eastern Europe', 'RON', true),
        ('SK', 'Slovakia', 'Eastern Europe', 'EUR', true),
        ('SI', 'Slovenia', 'Southern Europe', 'EUR', true),
        ('ES', 'Spain', 'Southern Europe', 'EUR', true),
        ('SE', 'Sweden', 'Northern Europe', 'SEK', true),
        ('AL', 'Albania', 'Southern Europe', 'ALL', false),
        ('AD', 'Andorra', 'Southern Europe', 'EUR', false),
        ('BA', 'Bosnia and Herzegovina', 'Southern Europe', 'BAM', false),
        ('CH', 'Switzerland', 'Western Europe', 'CHF', false),
        ('GB', 'United Kingdom', 'Northern Europe', 'GBP', false),
        ('IS', 'Iceland', 'Northern Europe', 'ISK', false),
        ('LI', 'Liechtenstein', 'Western Europe', 'CHF', false),
        ('MC', 'Monaco', 'Western Europe', 'EUR', false),
        ('MD', 'Moldova', 'Eastern Europe', 'MDL', false),
        ('ME', 'Montenegro', 'Southern Europe', 'EUR', false),
        ('MK', 'North Macedonia', 'Southern Europe', 'MKD', false),
        ('NO', 'Norway', 'Northern Europe', 'NOK', false),
        ('RS', 'Serbia', 'Southern Europe', 'RSD', false),
        ('TR', 'Türkiye', 'Western Asia', 'TRY', false),
        ('UA', 'Ukraine', 'Eastern Europe', 'UAH', false),
        ('AE', 'United Arab Emirates', 'Western Asia', 'AED', false),
        ('IL', 'Israel', 'Western Asia', 'ILS', false),
        ('SA', 'Saudi Arabia', 'Western Asia', 'SAR', false),
        ('CN', 'China', 'Eastern Asia', 'CNY', false),
        ('HK', 'Hong Kong', 'Eastern Asia', 'HKD', false),
        ('IN', 'India', 'Southern Asia', 'INR', false),
        ('JP', 'Japan', 'Eastern Asia', 'JPY', false),
        ('KR', 'South Korea', 'Eastern Asia', 'KRW', false),
        ('SG', 'Singapore', 'South-eastern Asia', 'SGD', false),
        ('TW', 'Taiwan', 'Eastern Asia', 'TWD', false),
        ('AU', 'Australia', 'Oceania', 'AUD', false),
        ('NZ', 'New Zealand', 'Oceania', 'NZD', false),
        ('CA', 'Canada', 'North America', 'CAD', false),
        ('MX', 'Mexico', 'Latin America', 'MXN', false),
        ('US', 'United States', 'North America', 'USD', false),
        ('AR', 'Argentina', 'Latin America', 'ARS', false),
        ('BR', 'Brazil', 'Latin America', 'BRL', false),
        ('CL', 'Chile', 'Latin America', 'CLP', false),
        ('EG', 'Egypt', 'Africa', 'EGP', false),
        ('MA', 'Morocco', 'Africa', 'MAD', false),
        ('ZA', 'South Africa', 'Africa', 'ZAR', false)
    ) as listed (country, country_name, region, currency, is_eu)
),

countries as (
    select country from known
    union
    select country from {{ ref('fct_sessions') }}
    union
    select country from {{ ref('fct_orders') }}
    union
    select country from {{ ref('dim_customers') }}
    where country is not null
)

select
    countries.country,
    coalesce(known.country_name, countries.country) as country_name,
    coalesce(known.region, 'unknown') as region,
    known.currency,
    known.is_eu,
    known.country is null as is_inferred
from countries
left join known on countries.country = known.country
