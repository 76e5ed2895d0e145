"""What a page is to the shell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dash import Dash
from dash.development.base_component import Component

from dashboard.data.reader import Reader


@dataclass(frozen=True, slots=True)
class Page:
    """A page: where it lives, its title, its empty layout, and the function that registers its callbacks once."""

    path: str
    title: str
    layout: Callable[[Reader], Component]
    register: Callable[[Dash, Reader], None]
