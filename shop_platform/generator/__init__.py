"""The simulated shop: customers with a life, their sessions, orders, parcels and returns, as events in Kafka."""
