"""The units, which of them are converted into each other, and how often that is asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..phrasebook import Phrasebook

BOOK = Phrasebook(Path(__file__).with_name("phrases.txt"))
ONE = 1000  # an amount of 1, in thousandths


@dataclass(frozen=True)
class Unit:
    """A unit with its spellings; the answer writes `short`."""

    short: str
    singular: tuple[str, ...]
    plural: tuple[str, ...]
    symbols: tuple[str, ...]
    kind: str

    @property
    def name(self) -> str:
        return self.singular[0]


UNITS: dict[str, Unit] = {}


def _unit(kind: str, short: str, names: str, symbols: str = "", plurals: str = "") -> None:
    singular = tuple(names.split(","))
    many = tuple(plurals.split(",")) if plurals else tuple(f"{name}s" for name in singular)
    UNITS[short] = Unit(short, singular, many, tuple(symbols.split(",")) if symbols else (), kind)


for line in """length|mm|millimetre,millimeter|mm,mm,mms|
length|cm|centimetre,centimeter|cm,cm,cms|
length|dm|decimetre,decimeter|dm|
length|m|metre,meter|m,m,m|
length|km|kilometre,kilometer|km,km,kms,kilometers|
length|inches|inch|in,inches,"|inches
length|feet|foot|ft,ft,feet|feet
length|yards|yard|yd,yds|
length|miles|mile|mi,mi|
mass|mg|milligram,milligramme|mg|
mass|g|gram,gramme|g,g,gr|
mass|kg|kilogram,kilo,kilogramme|kg,kg,kgs|
mass|t|tonne,metric ton,ton|t|
mass|pounds|pound|lb,lbs,lbs|
mass|ounces|ounce|oz,oz|
mass|stone|stone|st|stone
volume|ml|millilitre,milliliter|ml,mL,ml|
volume|cl|centilitre,centiliter|cl|
volume|dl|decilitre,deciliter|dl|
volume|l|litre,liter|l,L,ltr|
volume|m³|cubic metre,cubic meter|m³,m3,m^3|
volume|gallons|gallon,US gallon|gal|
volume|quarts|quart|qt|
volume|pints|pint|pt|
volume|cups|cup||
volume|tablespoons|tablespoon|tbsp|
volume|teaspoons|teaspoon|tsp|
time|ms|millisecond|ms|
time|seconds|second|s,sec,secs|
time|minutes|minute|min,mins,min|
time|hours|hour|h,hrs,hr|
time|days|day||
time|weeks|week||
time|months|month||
time|years|year|yrs|
data|bits|bit||
data|bytes|byte|B|
data|KB|kilobyte|KB,kB,kb|
data|MB|megabyte|MB,mb,meg|
data|GB|gigabyte|GB,gb,gig|
data|TB|terabyte|TB,tb|
data|KiB|kibibyte|KiB|
data|MiB|mebibyte|MiB|
data|GiB|gibibyte|GiB|
data|TiB|tebibyte|TiB|
area|m²|square metre,square meter|m²,m2,sqm|
area|cm²|square centimetre,square centimeter|cm²,cm2|
area|ha|hectare|ha|
area|km²|square kilometre,square kilometer|km²,km2|""".splitlines():
    _unit(*line.split("|"))
# big unit, small unit, how many of the small make one of the big, how often it is asked
PAIRS = [
    (UNITS[big], UNITS[small], factor)
    for big, small, factor, weight in (
        ("km", "m", 1000, 9), ("m", "cm", 100, 9), ("cm", "mm", 10, 5), ("m", "mm", 1000, 3), ("m", "dm", 10, 1), ("dm", "cm", 10, 1),
        ("km", "cm", 100000, 1), ("kg", "g", 1000, 9), ("t", "kg", 1000, 5), ("g", "mg", 1000, 4), ("l", "ml", 1000, 9), ("l", "cl", 100, 2),
        ("l", "dl", 10, 2), ("cl", "ml", 10, 2), ("dl", "ml", 100, 2), ("dl", "cl", 10, 1), ("m³", "l", 1000, 2), ("hours", "minutes", 60, 9),
        ("minutes", "seconds", 60, 8), ("days", "hours", 24, 6), ("weeks", "days", 7, 5), ("hours", "seconds", 3600, 3), ("years", "months", 12, 3),
        ("days", "minutes", 1440, 1), ("days", "seconds", 86400, 1), ("weeks", "hours", 168, 1), ("seconds", "ms", 1000, 3), ("feet", "inches", 12, 7), ("yards", "feet", 3, 5),
        ("yards", "inches", 36, 1), ("miles", "feet", 5280, 1), ("miles", "yards", 1760, 1), ("pounds", "ounces", 16, 4), ("stone", "pounds", 14, 1),
        ("gallons", "quarts", 4, 2), ("quarts", "pints", 2, 1), ("gallons", "pints", 8, 1), ("pints", "cups", 2, 1), ("tablespoons", "teaspoons", 3, 3),
        ("bytes", "bits", 8, 4), ("KB", "bytes", 1000, 4), ("MB", "KB", 1000, 5), ("GB", "MB", 1000, 7), ("TB", "GB", 1000, 6),
        ("KiB", "bytes", 1024, 3), ("MiB", "KiB", 1024, 3), ("GiB", "MiB", 1024, 4), ("TiB", "GiB", 1024, 2), ("m²", "cm²", 10000, 1),
        ("ha", "m²", 10000, 2), ("km²", "ha", 100, 1), ("years", "days", 365, 1), ("years", "weeks", 52, 1),
    )
    for _ in range(weight)
]  # fmt: skip
# unit, other unit, factor in thousandths, the precise factor, how often it is asked
APPROXIMATE = [
    (UNITS[a], UNITS[b], factor, precise)
    for a, b, factor, precise, weight in (
        ("inches", "cm", 2540, 2.54, 5), ("feet", "cm", 30480, 30.48, 3), ("feet", "m", 305, 0.3048, 3), ("miles", "km", 1609, 1.609344, 7),
        ("km", "miles", 621, 0.621371, 5), ("pounds", "kg", 454, 0.453592, 6), ("kg", "pounds", 2205, 2.204623, 5), ("ounces", "g", 28350, 28.3495, 3),
        ("m", "feet", 3281, 3.28084, 3), ("yards", "m", 914, 0.9144, 2), ("gallons", "l", 3785, 3.785412, 3), ("cm", "inches", 394, 0.393701, 2),
        ("cups", "ml", 240000, 240, 2), ("tablespoons", "ml", 15000, 15, 2), ("teaspoons", "ml", 5000, 5, 2), ("inches", "mm", 25400, 25.4, 1),
    )
    for _ in range(weight)
]  # fmt: skip
