"""The data layer: marts and ops in, plain dataclasses out."""
