"""The embedded development broker: a durable log that speaks the Kafka protocol on the local machine.

For development and tests only; refused when `SHOP_ENV=prod`. No transactions, no replication, no security. Its
behaviour is held to Apache Kafka's by one contract suite that runs against both.
"""
