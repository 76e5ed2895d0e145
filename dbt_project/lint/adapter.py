"""dbt's ``adapter`` for the linter, which renders the models without dbt and without a database."""

from collections.abc import Callable
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context


@pass_context
def dispatch(context: Context, name: str, _namespace: str) -> Callable[..., str]:
    """Return the default implementation of macro ``name``: the one that PostgreSQL uses."""
    implementation: Any = context.resolve(f"default__{name}")
    return implementation  # type: ignore[no-any-return]
