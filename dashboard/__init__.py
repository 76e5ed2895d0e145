"""The Dash app: pages, components, pure figure functions, a read-only data layer."""
