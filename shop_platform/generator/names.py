"""Names, streets and towns per country: drawn from Faker once, then indexed."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from functools import cache

from faker import Faker

from shop_platform.generator.parameters import COUNTRIES

LOCALES = ("de_DE", "de_AT", "fr_FR", "nl_NL", "nl_BE", "es_ES", "it_IT")
MAIL_DOMAINS = ("example.com", "example.org", "example.net", "mail.example")
DIALLING = ("+49", "+43", "+33", "+31", "+32", "+34", "+39")
FIRST_NAMES, LAST_NAMES, STREETS = 160, 320, 240

# Real towns with their region, first digits of the postcode and weight: a map of the customers makes sense.
_TOWNS: dict[str, tuple[tuple[str, str, str, int], ...]] = {
    "DE": (
        ("Berlin", "Berlin", "10", 37), ("Hamburg", "Hamburg", "20", 19), ("München", "Bayern", "80", 15),
        ("Köln", "Nordrhein-Westfalen", "50", 11), ("Frankfurt am Main", "Hessen", "60", 8),
        ("Stuttgart", "Baden-Württemberg", "70", 6), ("Düsseldorf", "Nordrhein-Westfalen", "40", 6),
        ("Leipzig", "Sachsen", "04", 6), ("Dortmund", "Nordrhein-Westfalen", "44", 6),
        ("Bremen", "Bremen", "28", 6), ("Dresden", "Sachsen", "01", 6), ("Hannover", "Niedersachsen", "30", 5),
        ("Nürnberg", "Bayern", "90", 5), ("Freiburg", "Baden-Württemberg", "79", 2),
        ("Kiel", "Schleswig-Holstein", "24", 2), ("Rostock", "Mecklenburg-Vorpommern", "18", 2),
    ),
    "AT": (
        ("Wien", "Wien", "1", 19), ("Graz", "Steiermark", "80", 3), ("Linz", "Oberösterreich", "40", 2),
        ("Salzburg", "Salzburg", "50", 2), ("Innsbruck", "Tirol", "60", 1), ("Klagenfurt", "Kärnten", "90", 1),
    ),
    "FR": (
        ("Paris", "Île-de-France", "75", 21), ("Marseille", "Provence-Alpes-Côte d'Azur", "13", 9),
        ("Lyon", "Auvergne-Rhône-Alpes", "69", 5), ("Toulouse", "Occitanie", "31", 5),
        ("Lille", "Hauts-de-France", "59", 2), ("Nantes", "Pays de la Loire", "44", 3),
        ("Strasbourg", "Grand Est", "67", 3), ("Bordeaux", "Nouvelle-Aquitaine", "33", 3),
    ),
    "NL": (
        ("Amsterdam", "Noord-Holland", "10", 9), ("Rotterdam", "Zuid-Holland", "30", 7),
        ("Den Haag", "Zuid-Holland", "25", 6), ("Utrecht", "Utrecht", "35", 4),
        ("Eindhoven", "Noord-Brabant", "56", 2), ("Groningen", "Groningen", "97", 2),
    ),
    "BE": (
        ("Brussel", "Brussel", "1", 6), ("Antwerpen", "Antwerpen", "20", 5),
        ("Gent", "Oost-Vlaanderen", "90", 3), ("Leuven", "Vlaams-Brabant", "30", 1),
        ("Brugge", "West-Vlaanderen", "80", 1),
    ),
    "ES": (
        ("Madrid", "Comunidad de Madrid", "28", 33), ("Barcelona", "Cataluña", "08", 16),
        ("Valencia", "Comunitat Valenciana", "46", 8), ("Sevilla", "Andalucía", "41", 7),
        ("Zaragoza", "Aragón", "50", 7), ("Bilbao", "País Vasco", "48", 3),
    ),
    "IT": (
        ("Roma", "Lazio", "00", 28), ("Milano", "Lombardia", "20", 14), ("Napoli", "Campania", "80", 9),
        ("Torino", "Piemonte", "10", 9), ("Bologna", "Emilia-Romagna", "40", 4),
        ("Firenze", "Toscana", "50", 4),
    ),
}  # fmt: skip
_POSTCODE_DIGITS = {"DE": 5, "AT": 4, "FR": 5, "NL": 4, "BE": 4, "ES": 5, "IT": 5}


@dataclass(frozen=True)
class Town:
    """A town, its strings ready to be put between JSON quotes; ``postcode`` is a template for the free digits."""

    city: bytes
    region: bytes
    postcode: bytes
    postcodes: int


@dataclass(frozen=True)
class Names:
    """What one country's customers are called and where they live; bytes are JSON-escaped UTF-8."""

    first: tuple[bytes, ...]
    last: tuple[bytes, ...]
    first_mail: tuple[bytes, ...]
    last_mail: tuple[bytes, ...]
    streets: tuple[bytes, ...]
    towns: tuple[Town, ...]
    town_weights: tuple[int, ...]


def json_text(text: str) -> bytes:
    """Return ``text`` as it stands between the quotes of a JSON string, UTF-8."""
    return json.dumps(text, ensure_ascii=False)[1:-1].encode()


def _slug(text: str) -> bytes:
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode().lower()
    return "".join(c for c in plain if c.isalnum()).encode() or b"x"


@cache
def names(seed: int) -> tuple[Names, ...]:
    """Return the names of each country, in the order of COUNTRIES."""
    made = []
    for country, locale in zip(COUNTRIES, LOCALES, strict=True):
        faker = Faker(locale)
        faker.seed_instance(seed)
        first = [faker.first_name() for _ in range(FIRST_NAMES)]
        last = [faker.last_name() for _ in range(LAST_NAMES)]
        streets = [faker.street_name() for _ in range(STREETS)]
        towns = []
        for city, region, prefix, _ in _TOWNS[country]:
            free = _POSTCODE_DIGITS[country] - len(prefix)
            towns.append(Town(json_text(city), json_text(region), f"{prefix}%0{free}d".encode(), 10**free))
        made.append(
            Names(
                tuple(map(json_text, first)),
                tuple(map(json_text, last)),
                tuple(map(_slug, first)),
                tuple(map(_slug, last)),
                tuple(map(json_text, streets)),
                tuple(towns),
                tuple(weight for *_, weight in _TOWNS[country]),
            )
        )
    return tuple(made)
