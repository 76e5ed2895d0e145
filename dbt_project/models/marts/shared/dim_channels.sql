with

-- paid: every visit costs; owned: the shop's own list or app; earned: others send visitors of their own accord.
known as (
    select * from (
        values
        ('direct', 'Direct', 'direct', 10),
        ('organic_search', 'Organic search', 'earned', 20),
        ('organic_social', 'Organic social', 'earned', 30),
        ('referral', 'Referral', 'earned', 40),
        ('email', 'E-mail', 'owned', 50),
        ('sms', 'SMS', 'owned', 60),
        ('push', 'Push notification', 'owned', 70),
        ('paid_search', 'Paid search', 'paid', 80),
        ('social', 'Social advertising', 'paid', 90),
        ('paid_social', 'Paid social', 'paid', 100),
        ('display', 'Display', 'paid', 110),
        ('video', 'Video', 'paid', 120),
        ('affiliate', 'Affiliate', 'paid', 130),
        ('influencer', 'Influencer', 'paid', 140),
        ('marketplace', 'Marketplace', 'paid', 150)
    ) as listed (channel, channel_name, channel_group, sort_order)
),

-- The vocabulary is open: whatever brought a session, an order or a touch is a channel.
channels as (
    select channel from known
    union
    select channel from {{ ref('fct_sessions') }}
    union
    select channel from {{ ref('fct_orders') }}
    union
    select channel from {{ ref('fct_marketing_touches') }}
)

select
    channels.channel,
    coalesce(known.channel_name, replace(channels.channel, '_', ' ')) as channel_name,
    coalesce(known.channel_group, 'unknown') as channel_group,
    known.channel_group = 'paid' as is_paid,
    coalesce(known.sort_order, 1000) as sort_order,
    known.channel is null as is_inferred
from channels
left join known on channels.channel = known.channel
