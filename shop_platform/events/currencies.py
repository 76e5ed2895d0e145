"""The currencies in which amounts may be told, and how many decimals each has (ISO 4217).

Source: SIX, ISO 4217 list one and amendments to 2026, and list three of what was withdrawn since 2000, the earliest
event time by default: an import may reach back so far. Left out is what has no minor unit (metals, XDR, XTS, XXX): an
amount of it cannot be told. A test holds the table against Unicode's, which comes with Babel.
"""

from __future__ import annotations

CURRENT = frozenset(
    """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE
    CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF
    GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR
    LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN
    PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS
    TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAD XAF XCD XCG XOF XPF YER
    ZAR ZMW ZWG
    """.split()  # noqa: SIM905 - a column of 250 lines otherwise
)
WITHDRAWN = frozenset(
    """
    ADP AFA ANG AON AOR ATS AZM BEF BGL BGN BYB BYR CHC CSD CUC CYP DEM ECS ECV EEK ESP FIM FRF GHC GHP GRD HRK
    IEP ITL LTL LUF LVL MGF MRO MTL MZM NLG PTE ROL RUR SDD SIT SKK SLL SRG STD TJR TMM TPE TRL USS VEB VEF YUM
    ZMK ZWD ZWL ZWN ZWR
    """.split()  # noqa: SIM905 - a column of 250 lines otherwise
)
CURRENCIES: tuple[str, ...] = tuple(sorted(CURRENT | WITHDRAWN))
"""Every code that an event may have as its currency."""

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
