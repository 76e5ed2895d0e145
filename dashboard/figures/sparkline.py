"""A KPI's recent course as a tiny SVG, used as a CSS mask so that it takes the scheme's colour."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from urllib.parse import quote

_WIDTH, _HEIGHT, _INSET = 120.0, 36.0, 2.0
_MOST_POINTS = 45


def thin_out(values: Sequence[float | None], most: int = _MOST_POINTS) -> list[float]:
    """Return at most ``most`` points: means of equally long stretches, days without a value left out."""
    known = [value for value in values if value is not None]
    if len(known) <= most:
        return known
    edges = [round(index * len(known) / most) for index in range(most + 1)]
    return [sum(known[a:b]) / (b - a) for a, b in pairwise(edges)]


def sparkline_svg(values: Sequence[float | None]) -> str | None:
    """Return a ``data:`` address of the drawing, ``None`` with fewer than two points.

    The line is opaque and the area below it fades: as an alpha mask both appear in the element's own colour.
    """
    points = thin_out(values)
    if len(points) < 2:
        return None
    low, high = min(points), max(points)
    span = high - low
    step = _WIDTH / (len(points) - 1)
    placed = [
        (index * step, _HEIGHT / 2 if span == 0 else _HEIGHT - _INSET - (value - low) / span * (_HEIGHT - 2 * _INSET))
        for index, value in enumerate(points)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" preserveAspectRatio="none">'
        '<defs><linearGradient id="g" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-opacity=".22"/>'
        '<stop offset="1" stop-opacity="0"/></linearGradient></defs>'
        f'<polygon points="0,{_HEIGHT:g} {line} {_WIDTH:g},{_HEIGHT:g}" fill="url(#g)"/>'
        f'<polyline points="{line}" fill="none" stroke="#000" stroke-width="1.5" stroke-linejoin="round"'
        ' stroke-linecap="round" vector-effect="non-scaling-stroke"/></svg>'
    )
    return "data:image/svg+xml," + quote(svg, safe="/:=' ,.")
