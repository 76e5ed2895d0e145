"""The tokens keep the contrast that WCAG AA asks for, in both schemes."""

import pytest

from dashboard.theme import PALETTES, css_variables

PAIRS = [
    ("text", "canvas"),
    ("text", "surface"),
    ("text", "sunken"),
    ("text", "accent_bar"),
    ("text_muted", "canvas"),
    ("text_muted", "surface"),
    ("text_muted", "raised"),
    ("text_muted", "sunken"),
    ("text_muted", "provisional"),
    ("accent_text", "accent_tint"),
    ("accent_text", "raised"),
    ("good", "good_tint"),
    ("bad", "bad_tint"),
    ("warn", "warn_tint"),
]


def _luminance(colour: str) -> float:
    channels = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_is_readable_on_its_ground(scheme, text, ground):
    palette = PALETTES[scheme]
    assert _contrast(getattr(palette, text), getattr(palette, ground)) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_lines_of_the_chart_stand_out(scheme):
    palette = PALETTES[scheme]
    assert _contrast(palette.accent, palette.surface) >= 3
    assert _contrast(palette.compared, palette.surface) >= 2.5


def test_every_colour_of_the_style_sheets_is_a_token():
    import re
    from pathlib import Path

    import dashboard

    assets = Path(dashboard.__file__).parent / "assets"
    for sheet in assets.glob("*.css"):
        text = re.sub(r"url\([^)]*\)", "", sheet.read_text())
        assert not re.findall(r"#[0-9a-fA-F]{3,8}\b", text), sheet.name
        for name in re.findall(r"var\((--shop-[a-z-]+)\)", text):
            assert f"{name}:" in css_variables(), f"{sheet.name} uses {name}, which theme.py does not define"
