"""How many decimals a currency has (ISO 4217, list one)."""

from __future__ import annotations

MINOR_UNITS: dict[str, int] = {
    **dict.fromkeys(
        (
            "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF",
            "XOF", "XPF",
        ),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}  # fmt: skip
"""The currencies that do not have two decimals."""

WITHOUT_DECIMALS = frozenset(code for code, decimals in MINOR_UNITS.items() if not decimals)


def minor_units(currency: str) -> int:
    """Return the number of decimals of ``currency``: two unless ISO 4217 says otherwise."""
    return MINOR_UNITS.get(currency, 2)
