"""The design tokens, in one place: as CSS custom properties, as plotly templates, as the Mantine theme."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Scheme = Literal["light", "dark"]

# Fonts the reader's machine has; nothing is fetched.
FONT = 'Inter, -apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one scheme. Text colours reach 4.5:1 on ``surface``, ``canvas`` and their own tint."""

    canvas: str
    surface: str
    raised: str
    sunken: str
    line: str
    line_strong: str
    text: str
    text_muted: str
    accent: str
    accent_text: str
    accent_tint: str
    accent_bar: str
    compared: str
    provisional: str
    good: str
    good_tint: str
    bad: str
    bad_tint: str
    warn: str
    warn_tint: str
    shadow: str


PALETTES: dict[Scheme, Palette] = {
    "light": Palette(
        canvas="#f7f7f9",
        surface="#ffffff",
        raised="#ffffff",
        sunken="#f1f1f5",
        line="#e6e6ec",
        line_strong="#d3d4dd",
        text="#15171e",
        text_muted="#5c6170",
        accent="#4f52e0",
        accent_text="#4447c9",
        accent_tint="#eeeefe",
        accent_bar="#e4e5fd",
        compared="#9a9fae",
        provisional="#f7f7fa",
        good="#0c7349",
        good_tint="#e5f5ed",
        bad="#bd2546",
        bad_tint="#fdebee",
        warn="#85530a",
        warn_tint="#fdf2dc",
        shadow="0 1px 2px rgb(20 22 40 / 4%), 0 1px 1px rgb(20 22 40 / 3%)",
    ),
    "dark": Palette(
        canvas="#0c0d11",
        surface="#14161b",
        raised="#1b1e25",
        sunken="#1c1f26",
        line="#242830",
        line_strong="#353a45",
        text="#eceef3",
        text_muted="#9aa1b0",
        accent="#8288ff",
        accent_text="#a3a8ff",
        accent_tint="#20223d",
        accent_bar="#272a4d",
        compared="#697080",
        provisional="#191c22",
        good="#4fd097",
        good_tint="#11291f",
        bad="#ff8b9a",
        bad_tint="#371a21",
        warn="#efb654",
        warn_tint="#31260f",
        shadow="0 1px 2px rgb(0 0 0 / 40%)",
    ),
}

# The accent in the ten shades Mantine wants, light to dark.
_ACCENT_SHADES = (
    "#eeeefe",
    "#dcdcfb",
    "#babcf8",
    "#979af4",
    "#8288ff",
    "#6366ea",
    "#4f52e0",
    "#4447c9",
    "#3a3dad",
    "#2f318c",
)

MANTINE: dict[str, Any] = {
    "fontFamily": FONT,
    "primaryColor": "accent",
    "primaryShade": {"light": 6, "dark": 4},
    "colors": {"accent": list(_ACCENT_SHADES)},
    "defaultRadius": "md",
    "cursorType": "pointer",
    "respectReducedMotion": True,
}


def css_variables() -> str:
    """Return the style sheet that defines ``--shop-*`` for both schemes."""
    rules = [f":root{{--shop-font:{FONT};{_declarations(PALETTES['light'])}color-scheme:light}}"]
    rules.append(f":root[data-mantine-color-scheme='dark']{{{_declarations(PALETTES['dark'])}color-scheme:dark}}")
    return "".join(rules)


def _declarations(palette: Palette) -> str:
    return "".join(f"--shop-{name.replace('_', '-')}:{value};" for name, value in asdict(palette).items())


def plotly_template(scheme: Scheme) -> dict[str, Any]:
    """Return a plotly template (a plain dictionary) for one scheme: no background, hairlines, our font."""
    palette = PALETTES[scheme]
    axis = {
        "showgrid": False,
        "zeroline": False,
        "showline": False,
        "ticks": "",
        "tickfont": {"size": 12, "color": palette.text_muted},
        "automargin": False,
        "fixedrange": True,
    }
    return {
        "layout": {
            "font": {"family": FONT, "size": 13, "color": palette.text},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "colorway": [palette.accent, palette.compared],
            "xaxis": axis,
            "yaxis": axis | {"showgrid": True, "gridcolor": palette.line, "gridwidth": 1},
            "hoverlabel": {
                "bgcolor": palette.raised,
                "bordercolor": palette.line_strong,
                "font": {"family": FONT, "size": 13, "color": palette.text},
                "align": "left",
            },
            "showlegend": False,
            "separators": ".,",
        }
    }
