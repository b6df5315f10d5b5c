"""Units: conversions of length, mass, volume, time, data, temperature, speed and money, comparisons, sums, definitions.

The wordings stand in `units_phrases.txt`. Amounts are whole numbers of thousandths, so that all arithmetic is exact; what the
question may spell in many ways ("2 1/2 kilometres", "2.5kms") the answer writes in one ("2.5 km").
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .arithmetic import (
    NO,
    YES,
    Ask,
    Phrasebook,
    cast,
    converse,
    has,
    in_words,
    never,
    number,
    operands,
    scaled,
    show,
    times,
)  # fmt: skip
from .common import Conversation
from .phrasing import expand, self_test

BOOK = Phrasebook(Path(__file__).with_name("units_phrases.txt"))
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


# --- how amounts are written


def spelled(rng: random.Random, unit: Unit, many: bool = True) -> str:
    """The unit's name as a question has it, without a number before it."""
    if unit.symbols and rng.random() < 0.4:
        return rng.choice(unit.symbols) if unit.symbols[-1] != '"' else rng.choice(unit.symbols[:-1])
    names = unit.plural if many else unit.singular
    return names[0] if rng.random() < 0.5 else rng.choice(names)


def with_article(rng: random.Random, unit: Unit) -> str:
    name = unit.singular[0] if rng.random() < 0.5 else rng.choice(unit.singular)
    if rng.random() < 0.2:
        return rng.choice((f"one {name}", f"1 {name}", f"1 {rng.choice(unit.symbols)}" if unit.symbols else f"1 {name}"))
    return f"{'an' if name[0] in 'aeio' or name == 'hour' else 'a'} {name}"


def amount(rng: random.Random, n: int, unit: Unit) -> str:
    """n thousandths of a unit as a question has it: "2.5 km", "two and a half kilometres", "2 1/2 km", "half a litre"."""
    whole, rest = divmod(n, ONE)
    chance = rng.random()
    digits = scaled(n, 3)
    if whole < 10000 or rng.random() < 0.5:
        digits = digits.replace(",", "")
    if 1000 <= whole < 10000 and chance < 0.3:
        digits = f"{whole:,}" + digits[len(str(whole)) :]
    if n == ONE and chance < 0.5:
        return with_article(rng, unit)
    if n == 500 and chance < 0.4:
        name = rng.choice(unit.singular)
        return f"half {'an' if name[0] in 'aeio' or name == 'hour' else 'a'} {name}"
    if n in (250, 750) and chance < 0.25:
        name = rng.choice(unit.singular)
        return f"{'a quarter' if n == 250 else 'three quarters'} of {'an' if name[0] in 'aeio' or name == 'hour' else 'a'} {name}"
    if rest == 500 and whole and chance < 0.22:
        digits = rng.choice((f"{whole} 1/2", f"{whole} and a half", f"{in_words(whole)} and a half", f"{whole}½"))
    elif rest in (250, 750) and whole and chance < 0.08:
        digits = f"{whole} {'1/4' if rest == 250 else '3/4'}"
    elif not rest and chance > 0.9 and whole <= 100:
        digits = in_words(whole)
    elif 0.86 < chance < 0.9 and rest:
        digits = scaled(n, 3) + "0"
    if unit.symbols and rng.random() < 0.5 and not digits[-1].isalpha():
        return f"{digits}{'' if rng.random() < 0.35 else ' '}{rng.choice(unit.symbols)}"
    many = n != ONE
    names = unit.plural if many else unit.singular
    return f"{digits} {names[0] if rng.random() < 0.5 else rng.choice(names)}"


def written(n: int, unit: Unit) -> str:
    """n thousandths of a unit as an answer has it."""
    short = unit.name if n == ONE and unit.short in unit.plural else unit.short
    return f"{scaled(n, 3)} {short}"


def one(unit: Unit) -> str:
    return unit.name if unit.short in unit.plural else unit.short


def some_amount(rng: random.Random) -> int:
    chance = rng.random()
    if chance < 0.35:
        return ONE * rng.randint(1, 12)
    if chance < 0.50:
        return 500 * rng.randint(1, 20)
    if chance < 0.62:
        return 250 * rng.randint(1, 16)
    if chance < 0.80:
        return 100 * rng.randint(1, 99)
    if chance < 0.92:
        return ONE * rng.randint(10, 99)
    return 10 * rng.randint(1, 999) if chance < 0.97 else ONE * rng.choice((100, 150, 200, 250, 500, 1000))


def down_work(n: int, factor: int, small: Unit) -> str:
    """Working for n thousandths of a big unit in the small one."""
    result = n * factor
    if factor == 1024 and n > ONE and n % ONE == 0:
        work = f"{n // ONE} x 1024 = {show(n)} + {show(n // ONE * 24)} = {show(n // ONE * 1024)}"
    elif n % ONE == 0 and factor not in (10, 100, 1000, 10000, 100000):
        work = times(n // ONE, factor)
    else:
        work = f"{scaled(n, 3)} x {factor} = {scaled(result, 3)}"
        if factor in (60, 24, 12, 7) and n % ONE and n > ONE:
            whole, rest = n // ONE, n % ONE
            work = f"{whole} x {factor} = {whole * factor}, {scaled(rest, 3)} x {factor} = {scaled(rest * factor, 3)}, together {scaled(result, 3)}"
    return f"{work} {one(small) if result == ONE else small.short}"


def convert_down(rng: random.Random, split: str, fixed: tuple[Unit, Unit, int] | None = None) -> Ask:
    big, small, factor = fixed or rng.choice(PAIRS)

    def draw() -> tuple[int, ...]:
        n = some_amount(rng)
        if factor not in (10, 100, 1000, 10000, 100000):  # halves of what has sixty parts, whole ones otherwise
            n = n if factor in (60, 24) and n % 500 == 0 else (n // ONE or 1) * ONE
            if factor > 100:
                n = min(n, 12000 if factor < 80000 else 3000) if factor != 1024 else ONE * rng.choice((1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 32, 64))
        return (n,)

    sign = f"{big.short}>{small.short}"
    (n,), fact = operands(rng, split, sign, draw, lambda n: n in (ONE, 500, 1500, 2000, 2500, 3000, 5000, 10000))
    result = n * factor
    if fixed:
        text = BOOK.say(rng, "again", x=amount(rng, n, big))
    elif n == ONE and rng.random() < 0.7:
        text = expand(rng, BOOK.line(rng, "define", split, sign), U=spelled(rng, small), u=big.name, au=with_article(rng, big))
    else:
        text = expand(rng, BOOK.line(rng, "convert", split, fact), v=amount(rng, n, big), U=spelled(rng, small))
    relation = f"1 {one(big)} = {show(factor)} {small.short}"
    target = written(result, small)
    if n == ONE:
        answer = rng.choice((f"{relation}.", f"{relation}.", f"{target}.", f"{with_article(random.Random(1), big).capitalize()} has {target}."))
        if small.short in ("bytes", "KB", "MB", "GB") and factor == 1000 and rng.random() < 0.4:
            binary = {"bytes": "KiB has 1024 bytes", "KB": "MiB has 1024 KiB", "MB": "GiB has 1024 MiB", "GB": "TiB has 1024 GiB"}[small.short]
            answer = f"{relation}; a {binary}."
    else:
        work = down_work(n, factor, small)
        answer = rng.choice((f"{work}.", f"{work}.", f"{relation}, so {written(n, big)} = {target}." if factor in (10, 100, 1000) else f"{work}.",
                             f"{written(n, big)} = {target}." if factor in (10, 100, 1000) else f"{relation}: {work}."))  # fmt: skip
    return Measured(text, answer, number(result / ONE), n=result, unit=small, again=lambda r, s: convert_down(r, s, (big, small, factor)))


@dataclass
class Measured(Ask):
    """An ask whose result is n thousandths of a unit."""

    n: int = 0
    unit: Unit | None = None


def up_answer(rng: random.Random, n: int, big: Unit, small: Unit, factor: int) -> tuple[str, list[str]]:
    """How n (whole) small units are told in big ones, and what a check takes."""
    whole, rest = divmod(n, factor)
    if n * ONE % factor == 0:
        result = n * ONE // factor
        shown = scaled(result, 3)
        equation = f"{show(n)} / {show(factor)} = {shown} {one(big) if result == ONE else big.short}"
        ways = [shown]
        if rest and whole and factor in (60, 24, 12, 7, 16, 3):
            equation += f" ({whole} {one(big) if whole == 1 else big.short} {rest} {small.short})"
        if result % ONE == 500:
            ways += [f"{whole} 1/2", f"{whole} and a half", f"{in_words(whole)} and a half", "half"] if whole else ["1/2", "half"]
        if rest:
            ways += [f"{whole} {form} {link}{rest}" for form in (*big.singular, *big.plural, *big.symbols) for link in ("", "and ")]
        return f"{equation}.", ways
    parts = f"{whole} {one(big) if whole == 1 else big.short}"
    return (
        f"{whole} x {factor} = {show(whole * factor)}, {show(n)} - {show(whole * factor)} = {rest}, so {parts} {rest} {one(small) if rest == 1 else small.short}.",
        [f"{whole} {form} {link}{rest}" for form in (*big.singular, *big.plural, *big.symbols) for link in ("", "and ")]
        + [f"{n / factor:.{places}f}" for places in (1, 2, 3)],
    )


def convert_up(rng: random.Random, split: str, fixed: tuple[Unit, Unit, int] | None = None) -> Ask:
    big, small, factor = fixed or rng.choice(PAIRS)

    def draw() -> tuple[int, ...]:
        chance = rng.random()
        if factor in (10, 100, 1000):
            n = factor * rng.randint(1, 12) if chance < 0.35 else factor // 2 * rng.randint(1, 20) if chance < 0.55 else max(1, factor // 10) * rng.randint(1, 99)
            return (n if chance < 0.85 else rng.randint(1, 9 * factor),)
        if factor > 400:
            return (factor * (rng.choice((1, 2, 3, 4, 5, 6, 8, 10, 16, 32)) if factor == 1024 else rng.randint(1, 10)),)
        if chance < 0.6 or factor in (365, 52, 168, 36, 14, 8):
            return (factor * rng.randint(1, 12),)
        if factor in (60, 24, 12) and chance < 0.8:
            return (factor // 2 * rng.randint(1, 12),)
        return (rng.randint(factor + 1, factor * 8),)

    sign = f"{small.short}>{big.short}"
    (n,), fact = operands(rng, split, sign, draw, lambda n: n in (factor, 2 * factor, 3 * factor, 5 * factor, 10 * factor) or 2 * n in (factor, 3 * factor, 5 * factor))
    said = amount(rng, n * ONE, small)
    text = BOOK.say(rng, "again", x=said) if fixed else expand(rng, BOOK.line(rng, "convert", split, fact), v=said, U=spelled(rng, big))
    answer, ways = up_answer(rng, n, big, small, factor)
    exact = n * ONE % factor == 0
    if exact and rng.random() < 0.25:
        answer = f"{show(factor)} {small.short} = 1 {one(big)}, so {answer}"
    return Measured(text, answer, number(n / factor) if exact and len(ways) == 1 else has(ways), n=n * ONE // factor if exact else 0, unit=big if exact else None,
                    again=lambda r, s: convert_up(r, s, (big, small, factor)))  # fmt: skip


def partial(n: int, factor: int, places: int = 3) -> str:
    """n times a factor in thousandths, by the factor's digits: "75 x 1.609 = 75 + 45 + 0.675 = 120.675"."""
    parts = [n * int(digit) * 10**place for place, digit in enumerate(reversed(str(factor))) if digit != "0"][::-1]
    steps = f" = {' + '.join(scaled(part, places) for part in parts)}" if len(parts) > 1 and n not in (1, 10, 100, 1000) else ""
    return f"{n} x {scaled(factor, places)}{steps} = {scaled(n * factor, places)}"


def approximate(rng: random.Random, split: str, fixed: tuple[Unit, Unit, int, float] | None = None) -> Ask:
    unit, other, factor, precise = fixed or rng.choice(APPROXIMATE)
    n = rng.choice((1, 2, 3, 4, 5, 5, 6, 7, 8, 9, 10, 10, 11, 12, 15, 20, 20, 25, 30, 40, 50, 60, 70, 80, 100, 100, 120, 150, 200, 500)) if rng.random() < 0.75 else rng.randint(2, 120)
    if unit.short in ("cups", "tablespoons", "teaspoons"):
        n = rng.randint(1, 10)
    result = n * factor
    sign = f"{n} {unit.short}>{other.short}"
    if fixed:
        text = BOOK.say(rng, "again", x=amount(rng, n * ONE, unit))
    elif n == 1 and rng.random() < 0.6:
        text = expand(rng, BOOK.line(rng, "define", split, sign), U=spelled(rng, other), u=unit.name, au=with_article(rng, unit))
    else:
        text = expand(rng, BOOK.line(rng, "convert", split, sign), v=amount(rng, n * ONE, unit), U=spelled(rng, other))
    exact = abs(factor / ONE - precise) < 1e-9
    shown = scaled(result, 3)
    product = f"{partial(n, factor)} {other.short}"
    if n == 1:
        answer = f"1 {one(unit)} is {'' if exact else 'about '}{shown} {other.short}."
    else:
        answer = f"{product}{'' if exact else ', roughly'}." if rng.random() < 0.75 else f"1 {one(unit)} is {'' if exact else 'about '}{scaled(factor, 3)} {other.short}: {product}."
    ways = {shown}
    for value in (result / ONE, n * precise, n * round(precise, 1), n * round(precise, 2)):
        for places in (0, 1, 2, 3):
            ways |= {f"{value:.{places}f}", f"{value:.{places}f}".rstrip("0").rstrip(".") if places else f"{value:.0f}"}
    return Ask(text, answer, number(result / ONE) if exact else has(sorted(ways)), None, "", lambda r, s: approximate(r, s, (unit, other, factor, precise)))


def define_back(rng: random.Random, split: str) -> Ask:
    big, small, factor = rng.choice(PAIRS)
    if factor > 10000:
        big, small, factor = UNITS["km"], UNITS["m"], 1000
    text = expand(rng, BOOK.line(rng, "define.back", split, f"{big.short} {small.short}"), au=with_article(rng, big), **{"as": with_article(rng, small), "s": small.name})
    ways = [f"1/{factor}", f"1/{factor:,}"] + ([scaled(10**6 // factor, 6)] if 10**6 % factor == 0 else [])
    return Ask(text, f"1 {one(small)} is 1/{factor} of a {one(big)}." if one(big)[0] not in "aeiou" and one(big) != "hour" else f"1 {one(small)} is 1/{factor} of an {one(big)}.", has(ways))


MIXES = [(UNITS[a], UNITS[b], factor) for a, b, factor in (
    ("hours", "minutes", 60), ("hours", "minutes", 60), ("minutes", "seconds", 60), ("feet", "inches", 12), ("feet", "inches", 12),
    ("days", "hours", 24), ("weeks", "days", 7), ("kg", "g", 1000), ("km", "m", 1000), ("m", "cm", 100), ("l", "ml", 1000),
    ("years", "months", 12), ("pounds", "ounces", 16),
)]  # fmt: skip


def mixed(rng: random.Random, split: str) -> Ask:
    """ "1 h 20 min in minutes", or back."""
    big, small, factor = rng.choice(MIXES)

    def draw() -> tuple[int, ...]:
        low = rng.randint(1, factor - 1)
        if factor >= 100:
            low = 5 * rng.randint(1, 19) if factor == 100 else 50 * rng.randint(1, 19)
        elif factor == 60 and rng.random() < 0.6:
            low = 5 * rng.randint(1, 11)
        return rng.randint(1, 8 if factor != 12 else 6), low

    (a, b), _ = operands(rng, split, f"{big.short}+{small.short}", draw, never)
    total = a * factor + b
    if rng.random() < 0.55:
        first, second = f"{a} {rng.choice(big.plural if a > 1 else big.singular)}", f"{b} {rng.choice(small.plural if b > 1 else small.singular)}"
        if big.symbols and small.symbols and rng.random() < 0.5:
            gap = rng.choice(("", " "))
            first, second = f"{a}{gap}{rng.choice(big.symbols)}", f"{b}{gap}{rng.choice(small.symbols)}"
        if big.short == "feet" and rng.random() < 0.25:
            first, second = f"{a}'", f'{b}"'
        said = first + (second if "'" in first else rng.choice((" ", " ", " and ")) + second)
        text = BOOK.say(rng, "mixed", v=said, U=spelled(rng, small))
        return Measured(text, f"{a} x {factor} = {show(a * factor)}, {show(a * factor)} + {b} = {show(total)} {small.short}.", number(total), n=total * ONE, unit=small)
    text = BOOK.say(rng, "unmix", v=amount(rng, total * ONE, small), U=rng.choice(big.plural), W=rng.choice(small.plural))
    answer = f"{a} x {factor} = {show(a * factor)}, {show(total)} - {show(a * factor)} = {b}, so {a} {one(big) if a == 1 else big.short} {b} {one(small) if b == 1 else small.short}."
    return Ask(text, answer, has([f"{a} {form}" for form in (*big.singular, *big.plural, *big.symbols, big.short)] + [f"{a}{form}" for form in big.symbols],
                                 [f"{b} {form}" for form in (*small.singular, *small.plural, *small.symbols, small.short)] + [f"{b}{form}" for form in small.symbols]))  # fmt: skip


# --- temperature

CELSIUS = ("Celsius", "Celsius", "°C", "C", "degrees Celsius", "centigrade", "celsius")
FAHRENHEIT = ("Fahrenheit", "Fahrenheit", "°F", "F", "degrees Fahrenheit", "fahrenheit")
KELVIN = ("Kelvin", "K", "kelvin")


def degrees(rng: random.Random, value: str, celsius: bool) -> str:
    if value.startswith("-") and rng.random() < 0.3:
        value = f"minus {value[1:]}"
    return value + rng.choice((" °C", "°C", " degrees Celsius", "C", " C", " degrees centigrade", " Celsius", "° Celsius", " degrees C", " degrees celsius") if celsius
                              else (" °F", "°F", " degrees Fahrenheit", "F", " F", " Fahrenheit", "° Fahrenheit", " degrees F", " degrees fahrenheit"))  # fmt: skip


def temperature(rng: random.Random, split: str, fixed: str = "") -> Ask:
    direction = fixed or rng.choice("CCCFFFK")
    if direction == "C":
        def draw() -> tuple[int, ...]:
            return (5 * rng.randint(-8, 50) if rng.random() < 0.6 else rng.randint(-20, 45) if rng.random() < 0.8 else rng.randint(-40, 250),)

        (c,), fact = operands(rng, split, "C", draw, lambda c: c in (0, 10, 20, 25, 30, 37, 40, 100, -40, 180, 200))
        ninths, part, result = 9 * c, scaled(18 * c, 1), scaled(18 * c + 320, 1)
        said = degrees(rng, str(c), True)
        text = BOOK.say(rng, "again", x=said) if fixed else expand(rng, BOOK.line(rng, "temperature", split, fact), v=said, U=rng.choice(FAHRENHEIT))
        return Ask(_degrees(text), f"{c} x 9 = {ninths}, {ninths} / 5 = {part}, {part} + 32 = {result} °F.", number((18 * c + 320) / 10), None, "", lambda r, s: temperature(r, s, "C"))
    if direction == "F":
        def draw() -> tuple[int, ...]:
            return (32 + 9 * rng.randint(-8, 45) if rng.random() < 0.55 else 5 * rng.randint(-4, 24) if rng.random() < 0.6 else 10 * rng.randint(0, 45) if rng.random() < 0.5 else rng.randint(0, 120),)

        (f,), fact = operands(rng, split, "F", draw, lambda f: f in (32, 50, 68, 77, 86, 100, 212, 0, 70, 350, 400, 104))
        low = f - 32
        said = degrees(rng, str(f), False)
        text = BOOK.say(rng, "again", x=said) if fixed else expand(rng, BOOK.line(rng, "temperature", split, fact), v=said, U=rng.choice(CELSIUS))
        exact = 5 * low % 9 == 0
        tenths = round(50 * low / 9)
        result = scaled(tenths, 1)
        value = 5 * low / 9
        ways = {result, f"{value:.2f}", f"{value:.1f}", f"{value:.0f}"}
        return Ask(_degrees(text), f"{f} - 32 = {low}, {low} x 5 = {5 * low}, {5 * low} / 9 = {result} °C{'' if exact else ', rounded'}.",
                   number(tenths / 10) if exact else has(sorted(ways)), None, "", lambda r, s: temperature(r, s, "F"))  # fmt: skip
    (c,), fact = operands(rng, split, "K", lambda: (rng.choice((0, 10, 20, 25, 27, 30, 37, 50, 100, 200, -10, -20, rng.randint(-50, 150))),), lambda c: c in (0, 20, 25, 100))
    text = expand(rng, BOOK.line(rng, "temperature", split, fact), v=degrees(rng, str(c), True), U=rng.choice(KELVIN))
    result = scaled(100 * c + 27315)
    return Ask(_degrees(text), f"{c} + 273.15 = {result} K.", has([result, str(c + 273)]))


def _degrees(text: str) -> str:
    return text.replace("degrees degrees", "degrees").replace("degrees °", "degrees ").replace("degrees Kelvin", "Kelvin").replace("degrees kelvin", "kelvin")


POINTS = {"freezing": ("Water freezes at 0 °C, which is 32 °F.", ("0", "32", "273.15")), "boiling": ("Water boils at 100 °C, which is 212 °F.", ("100", "212", "373.15")),
          "body": ("Normal body temperature is about 37 °C, which is 98.6 °F.", ("37", "98.6", "310.15")),
          "absolute": ("Absolute zero is -273.15 °C, which is -459.67 °F or 0 K.", ("-273.15", "-459.67", "0"))}  # fmt: skip


def points(rng: random.Random, split: str) -> Ask:
    section = rng.choice(("freezing", "freezing", "boiling", "boiling", "body", "absolute"))
    answer, (celsius, fahrenheit, _) = POINTS[section]
    scale = rng.choice((0, 1))
    text = expand(rng, BOOK.line(rng, section, split, section), U=rng.choice((CELSIUS[0], FAHRENHEIT[0])[scale : scale + 1] * 2 + (CELSIUS[2], FAHRENHEIT[2])[scale : scale + 1]))
    wanted = (celsius, fahrenheit)[scale]
    in_fahrenheit = re.search(r"Fahrenheit|°F", text) is not None
    if (re.search(r"Celsius|°C", text) and rng.random() < 0.5) or (in_fahrenheit and rng.random() < 0.5):
        what = {"freezing": "Water freezes", "boiling": "Water boils", "body": "Normal body temperature is about", "absolute": "Absolute zero is"}[section]
        answer = f"{what} {'at ' if section in ('freezing', 'boiling') else ''}{wanted} {'°F' if scale else '°C'}."
    ways = [wanted] if re.search(r"Fahrenheit|Celsius|°", text) else [celsius, fahrenheit]
    return Ask(_degrees(text), answer, number(float(wanted)) if len(ways) == 1 else has(ways))


# --- comparing, adding, filling

WORDS = {
    "length": (("longer", "bigger", "larger", "more", "farther"), ("shorter", "smaller", "less")),
    "mass": (("heavier", "more", "bigger"), ("lighter", "less", "smaller")),
    "volume": (("more", "larger", "bigger"), ("less", "smaller")),
    "time": (("longer", "more"), ("shorter", "less")),
    "data": (("larger", "bigger", "more"), ("smaller", "less")),
}
COMPARED = [pair for pair in PAIRS if pair[0].kind in WORDS and pair[2] <= 10000] + [
    (UNITS["miles"], UNITS["km"], 0), (UNITS["pounds"], UNITS["kg"], 0), (UNITS["inches"], UNITS["cm"], 0), (UNITS["yards"], UNITS["m"], 0)
] * 3  # fmt: skip
FACTORS = {"miles": 1609, "pounds": 454, "inches": 2540, "yards": 914}


def compare(rng: random.Random, split: str) -> Ask:
    big, small, factor = rng.choice(COMPARED)

    def draw() -> tuple[int, ...]:
        a = ONE * rng.randint(1, 12) if rng.random() < 0.6 or factor not in (10, 100, 1000) else 100 * rng.randint(1, 60)
        of_small = a * (factor * ONE or FACTORS[big.short]) // ONE
        if rng.random() < 0.06 and factor:
            return a, of_small
        b = of_small * rng.choice((50, 60, 75, 80, 90, 95, 105, 110, 120, 125, 150, 200, 10, 1000)) // 100
        if rng.random() < 0.2:
            b = ONE * rng.randint(1, 500)
        b = round(b / ONE) * ONE if rng.random() < 0.8 or not factor or of_small < 10 * ONE else b // 100 * 100
        step = 100 * ONE if b >= 2000 * ONE else 10 * ONE if b >= 100 * ONE else ONE
        return a, max(ONE, b // step * step if rng.random() < 0.7 else b // ONE * ONE)

    (a, b), _ = operands(rng, split, f"{big.short}<{small.short}", draw, never)
    of_small = a * (factor * ONE or FACTORS[big.short]) // ONE
    if not factor and abs(of_small - b) < of_small // 20:
        b = 2 * b
    greater = rng.random() < 0.65
    rels = WORDS[big.kind][0 if greater else 1]
    rel = rels[0] if rng.random() < 0.6 else rng.choice(rels)
    x, y = amount(rng, a, big), amount(rng, b, small)
    plain_x, plain_y = written(a, big), written(b, small)
    swap = rng.random() < 0.5
    first, second = (y, x) if swap else (x, y)
    text = BOOK.say(rng, f"compare.{big.kind}", a=first, b=second, r=rel, w="more" if greater else "less", s="more" if greater else "less")
    if "weighs" in text:
        rel = rels[0]
    lead = f"{plain_x} is {'' if factor else 'about '}{written(of_small, small)}"
    if of_small == b:
        answer = f"{plain_x} = {written(of_small, small)}, so they are equal."
        if text.startswith(("is", "are", "does")):
            return Ask(text, f"{plain_x} = {written(of_small, small)}, so no, they are equal.", has([*NO, "equal", "same"]))
        return Ask(text, answer, has(["equal", "same"]))
    x_wins = (of_small > b) == greater
    if text.startswith(("is", "are", "does")):
        yes = x_wins != swap
        return Ask(text, f"{lead}, so {'yes' if yes else 'no'}.", has(YES if yes else NO))
    winner, said = (plain_x, x) if x_wins else (plain_y, y)
    ways = [f"{form} {verb} {word}" for form in {winner, said} for verb in ("is", "are", "weighs", "takes", "lasts") for word in (*rels, f"the {rels[0]}")]
    answer = f"{lead}, so {winner} is {rel}." if of_small != a else f"{winner} is {rel}."
    return Ask(text, answer, has(ways))


def combine(rng: random.Random, split: str) -> Ask:
    """ "1.5 km + 300 m"."""
    big, small, factor = rng.choice([pair for pair in MIXES if pair[2] in (60, 100, 1000, 12)])

    def draw() -> tuple[int, ...]:
        step = 50 if factor == 1000 else 5
        b = step * rng.randint(1, factor * 2 // step) if rng.random() < 0.8 else rng.randint(1, factor)
        return (500 if factor != 12 else ONE) * rng.randint(1, 10), b

    (a, b), _ = operands(rng, split, f"{big.short}&{small.short}", draw, never)
    of_small = a * factor // ONE
    minus = rng.random() < 0.4 and of_small > b
    result = of_small - b if minus else of_small + b
    first, second = amount(rng, a, big), amount(rng, b * ONE, small)
    if not minus and rng.random() < 0.4:
        first, second = second, first
    text = BOOK.say(rng, "difference" if minus else "sum", a=first, b=second, U=spelled(rng, small))
    sign = "-" if minus else "+"
    work = f"{written(a, big)} = {show(of_small)} {small.short}, {show(of_small)} {sign} {b} = {show(result)} {small.short}"
    ways = [show(result), str(result), scaled(result * ONE // factor, 3)] if result * ONE % factor == 0 else [show(result), str(result)]
    whole, rest = divmod(result, factor)
    ways += [f"{whole} {form} {link}{rest}" for form in (*big.singular, *big.plural, *big.symbols) for link in ("", "and ")] if whole and rest else []
    return Measured(text, f"{work}.", has(ways), n=result * ONE, unit=small)


def fill(rng: random.Random, split: str) -> Ask:
    """How many glasses from a bottle, how many pieces from a rope."""
    liquid = rng.random() < 0.6
    sizes = (100, 125, 150, 200, 250, 300, 330, 400, 500) if liquid else (5, 10, 20, 25, 40, 50)

    def draw() -> tuple[int, ...]:
        size = rng.choice(sizes)
        base = 1000 if liquid else 100
        counts = [k for k in range(2, 41) if k * size * 10 % base == 0]
        return size, rng.choice(counts)

    (size, count), _ = operands(rng, split, "fill" if liquid else "cut", draw, never)
    base = 1000 if liquid else 100
    big, small = (UNITS["l"], UNITS["ml"]) if liquid else (UNITS["m"], UNITS["cm"])
    n = size * count
    places = rng.choice(("glasses", "cups", "bottles", "portions", "mugs", "servings"))
    text = BOOK.say(rng, "fill" if liquid else "cut", v=amount(rng, n * ONE // base, big), s=amount(rng, size * ONE, small), p=places)
    return Ask(text, f"{written(n * ONE // base, big)} = {show(n)} {small.short}, {show(n)} / {size} = {count}.", number(count))


# --- money, speed, facts

COINS = {"quarters": 25, "dimes": 10, "nickels": 5, "pennies": 1, "half dollars": 50, "20-cent coins": 20, "50-cent coins": 50, "5-cent coins": 5, "10-cent coins": 10}


def cents(rng: random.Random, split: str) -> Ask:
    chance = rng.random()
    if chance < 0.65:
        (n,), fact = operands(rng, split, "cents", lambda: (100 * rng.randint(1, 20) if rng.random() < 0.35 else 5 * rng.randint(1, 400) if rng.random() < 0.7 else rng.randint(1, 3000),), lambda n: n in (50, 100, 150, 200, 250, 500, 1000))
        exact = f"{n // 100}.{n % 100:02d}" if n % 100 else str(n // 100)
        name, sign = rng.choice((("dollars", "$"), ("dollars", "$"), ("euros", "€"), ("dollars", "$")))
        if chance < 0.33:
            said = rng.choice((f"{sign}{exact}", f"{exact} {name}", f"{sign}{exact}" if n != 100 else f"a {name[:-1]}", f"{sign}{exact}"))
            text = expand(rng, BOOK.line(rng, "cents", split, fact), v=said)
            return Ask(text, rng.choice((f"{exact} x 100 = {n} cents.", f"{sign}{exact} = {n} cents.", f"{n} cents.")), number(n))
        text = expand(rng, BOOK.line(rng, "uncents", split, fact), c=f"{n:,}" if n >= 1000 and rng.random() < 0.3 else n, D=name if rng.random() < 0.8 else name[:-1] + "s")
        return Ask(text, rng.choice((f"{n} / 100 = {exact}, so {sign}{exact}.", f"{n} cents = {sign}{exact}.", f"{n} / 100 = {exact} {name}.")), number(n / 100))
    kind, value = rng.choice(list(COINS.items()))
    if chance < 0.85:
        (n, _v), fact = operands(rng, split, "coin", lambda: (rng.randint(2, 20), value), lambda n, v: n <= 8)
        total = n * value
        exact = f"{total // 100}.{total % 100:02d}" if total % 100 else str(total // 100)
        text = expand(rng, BOOK.line(rng, "coins", split, fact), n=n if rng.random() < 0.8 else in_words(n), k=kind)
        tail = f", which is ${exact}" if total >= 100 else ""
        return Ask(text, f"{n} x {value} = {total} cents{tail}.", has([f"{total} cents", str(total), f"{total}¢", exact] + ([scaled(total)] if total >= 100 else [f"0.{total:02d}"])))
    whole = rng.choice((1, 1, 2, 3, 4, 5, 10))
    text = expand(rng, BOOK.line(rng, "coins.in", split, f"{kind} {whole}"), k=kind, v=rng.choice((f"${whole}", f"{whole} dollar{'s' if whole > 1 else ''}", f"{whole} euro{'s' if whole > 1 else ''}" if "coin" in kind else f"${whole}.00")))
    return Ask(text, f"{100 * whole} / {value} = {100 * whole // value}.", number(100 * whole // value))


KMH = ("km/h", "km/h", "kilometres per hour", "kilometers per hour", "kmh", "kph", "km per hour")
MS = ("m/s", "m/s", "metres per second", "meters per second", "m per second")
MPH = ("mph", "mph", "miles per hour", "mi/h")


def speed(rng: random.Random, split: str) -> Ask:
    chance = rng.random()
    if chance < 0.3:
        n = 5 * rng.randint(1, 12) if rng.random() < 0.6 else rng.randint(1, 30)
        shown = scaled(36 * n, 1)
        text = expand(rng, BOOK.line(rng, "speed", split, f"ms {n}"), v=f"{n} {rng.choice(MS)}", U=rng.choice(KMH))
        return Ask(text, f"{n} x 3.6 = {shown} km/h.", number(36 * n / 10))
    if chance < 0.55:
        n = rng.randint(1, 20)
        text = expand(rng, BOOK.line(rng, "speed", split, f"kmh {n}"), v=f"{18 * n} {rng.choice(KMH)}", U=rng.choice(MS))
        return Ask(text, f"{18 * n} / 3.6 = {5 * n} m/s.", number(5 * n))
    n = 5 * rng.randint(1, 24)
    if chance < 0.8:
        value = 1609 * n
        text = expand(rng, BOOK.line(rng, "speed", split, f"mph {n}"), v=f"{n} {rng.choice(MPH)}", U=rng.choice(KMH))
        answer = f"{partial(n, 1609)}, so about {round(value / 1000)} km/h."
        exact = 1.609344 * n
    else:
        value = 621 * n
        text = expand(rng, BOOK.line(rng, "speed", split, f"kmh>mph {n}"), v=f"{n} {rng.choice(KMH)}", U=rng.choice(MPH))
        answer = f"{partial(n, 621)}, so about {round(value / 1000)} mph."
        exact = 0.621371 * n
    ways = {scaled(value, 3), str(round(value / 1000)), str(round(exact)), f"{exact:.1f}", f"{exact:.2f}", str(int(exact)), f"{value / 1000:.1f}", f"{value / 1000:.2f}"}
    return Ask(text, answer, has(sorted(ways)))


def same(rng: random.Random, split: str) -> Ask:
    """Whether two amounts are the same."""
    big, small, factor = rng.choice(PAIRS)
    a = ONE * rng.choice((1, 1, 1, 2, 3, 4, 5, 10)) if factor < 1100 or rng.random() < 0.5 else ONE
    true = a * factor // ONE
    stated = true if rng.random() < 0.5 else rng.choice((true * 10, max(1, true // 10), true + factor, true // 2 or 2, true * 2, true + 10))
    text = expand(rng, BOOK.line(rng, "same", split, f"{big.short} {a} {small.short} {stated}"), a=amount(rng, a, big), b=amount(rng, stated * ONE, small))
    good = stated == true
    lead = f"{written(a, big)} = {written(true * ONE, small)}"
    return Ask(text, rng.choice((f"{lead}, so {'yes' if good else 'no'}.", f"{'Yes' if good else 'No'}, {lead}.")), has(YES if good else NO))


def height(rng: random.Random, split: str) -> Ask:
    """A height in feet and inches in centimetres."""
    (feet, inches), _ = operands(rng, split, "height", lambda: (rng.randint(4, 6), rng.randint(0, 11)), lambda f, i: (f, i) in ((5, 0), (6, 0)))
    total = 12 * feet + inches
    tail = rng.choice((f"{feet}'{inches}\"", f"{feet} feet {inches} inches", f"{feet} ft {inches} in", f"{feet}'{inches}", f"{feet} foot {inches}", f"{feet}ft {inches}in")) if inches else rng.choice((f"{feet} feet", f"{feet} ft", f"{feet}'"))
    text = BOOK.say(rng, "height", v=tail, U=rng.choice(UNITS["cm"].plural if rng.random() < 0.5 else UNITS["cm"].symbols))
    lead = f"{feet} x 12 = {12 * feet}" + (f", {12 * feet} + {inches} = {total}" if inches else "")
    exact = 2.54 * total
    return Ask(text, f"{lead} inches, {partial(total, 254, 2)} cm.", has([scaled(254 * total), f"{exact:.1f}", f"{exact:.0f}", str(int(exact))]))


def download(rng: random.Random, split: str) -> Ask:
    """How long a download takes, and bits a second in bytes."""
    if rng.random() < 0.4:
        (n,), fact = operands(rng, split, "Mbit", lambda: (rng.choice((8, 10, 16, 20, 24, 25, 40, 50, 80, 100, 200, 250, 400, 500, 800, 1000, 8 * rng.randint(1, 40))),), lambda n: n in (8, 16, 100, 50))
        text = expand(rng, BOOK.line(rng, "mbit", split, fact), n=n)
        return Ask(text, f"{n} / 8 = {scaled(n * 1000 // 8, 3)} MB/s.", number(n / 8))
    (rate, seconds), _ = operands(rng, split, "download", lambda: (rng.choice((1, 2, 4, 5, 10, 20, 25, 50, 100, 200, 500)), rng.choice((2, 4, 5, 8, 10, 20, 25, 30, 40, 50, 60, 100, 12, 3))), never)
    size = rate * seconds
    gigabytes = size >= 1000 and size % 500 == 0
    shown = f"{scaled(size, 3)} GB" if gigabytes else f"{size} MB"
    text = BOOK.say(rng, "download", v=shown if rng.random() < 0.7 else shown.replace(" ", ""), r=rng.choice((f"{rate} MB/s", f"{rate}MB/s", f"{rate} MB per second", f"{rate} megabytes per second")))
    lead = f"{shown} = {show(size)} MB, " if gigabytes else ""
    return Ask(text, f"{lead}{show(size)} / {rate} = {seconds} seconds.", number(seconds))


PREFIXES = {
    "kilo": ("1000", "a thousand", ("kilometre", "kilogram")), "mega": ("1,000,000", "a million", ("megabyte", "megawatt")),
    "giga": ("1,000,000,000", "a billion", ("gigabyte", "gigawatt")), "tera": ("1,000,000,000,000", "a trillion", ("terabyte",)),
    "centi": ("1/100", "a hundredth", ("centimetre",)), "milli": ("1/1000", "a thousandth", ("millimetre", "milligram", "millilitre")),
    "micro": ("1/1,000,000", "a millionth", ("micrometre", "microsecond")), "nano": ("1/1,000,000,000", "a billionth", ("nanometre", "nanosecond")),
    "deci": ("1/10", "a tenth", ("decilitre", "decimetre")), "hecto": ("100", "a hundred", ("hectolitre",)), "deca": ("10", "ten", ("decametre",)),
    "kibi": ("1024", "1024, two to the power of ten", ("kibibyte",)), "mebi": ("1,048,576", "1024 x 1024", ("mebibyte",)),
}  # fmt: skip
NAMED = [unit for unit in UNITS.values() if unit.symbols and unit.short not in ("m³", "m²", "cm²", "km²", "stone", "bytes", "inches", "cups")]
KIND_WORDS = {"length": ["length", "distance"], "mass": ["mass", "weight"], "volume": ["volume"], "time": ["time"], "data": ["data", "information"], "area": ["area"]}


def meanings(rng: random.Random, split: str) -> Ask:
    chance = rng.random()
    if chance < 0.35:
        prefix, (digits, words, examples) = rng.choice(list(PREFIXES.items()))
        text = expand(rng, BOOK.line(rng, "prefix", split, prefix), p=prefix, x=rng.choice(examples))
        return Ask(text, rng.choice((f"{prefix.capitalize()} means {words} ({digits}).", f"{prefix.capitalize()} means {words}.")), has([digits, digits.replace(",", ""), words, words.split(" ", 1)[-1]]))
    if chance < 0.6:
        unit = rng.choice(NAMED)
        symbol = unit.symbols[0]
        text = expand(rng, BOOK.line(rng, "abbreviation", split, symbol), s=symbol)
        return Ask(text, rng.choice((f"{symbol} stands for {unit.name}.", f"{symbol} is short for {unit.name}, a unit of {KIND_WORDS[unit.kind][0]}.")), has([*unit.singular, *unit.plural]))
    if chance < 0.8:
        unit = rng.choice(NAMED)
        text = expand(rng, BOOK.line(rng, "symbol", split, unit.short), u=rng.choice(rng.choice((unit.singular, unit.plural))))
        return Ask(text, rng.choice((f"{unit.symbols[0]}.", f"The short form is {unit.symbols[0]}.", f"It's {unit.symbols[0]}.")), has(list(unit.symbols)))
    unit = rng.choice(list(UNITS.values()))
    text = expand(rng, BOOK.line(rng, "measures", split, unit.short), U=rng.choice(unit.plural), au=with_article(random.Random(2), unit))
    kind = KIND_WORDS[unit.kind][0]
    return Ask(text, rng.choice((f"{unit.plural[0].capitalize()} measure {kind}.", f"A unit of {kind}.".replace("A unit", f"The {unit.name} is a unit"))), has(KIND_WORDS[unit.kind]))


def dozen(rng: random.Random, split: str) -> Ask:
    name, size = rng.choice((("dozen", 12), ("dozen", 12), ("dozen", 12), ("pair", 2), ("score", 20), ("gross", 144)))
    n = rng.randint(1, 12 if size == 12 else 10) if size < 100 else 1
    half = size == 12 and rng.random() < 0.15
    roles = cast(rng)
    if half:
        return Ask(expand(rng, BOOK.line(rng, "dozen", split, "half"), v="half a dozen", **roles), "12 / 2 = 6.", number(6))
    said = rng.choice((f"{n} {name}", f"{in_words(n)} {name}")) if n > 1 else f"a {name}"
    if name == "pair" and n > 1:
        said += rng.choice(("s", "s"))
    return Ask(expand(rng, BOOK.line(rng, "dozen", split, f"{n} {name}"), v=said, **roles), f"{n} x {size} = {n * size}." if n > 1 else f"A {name} is {size}.", number(n * size))


# --- follow-ups


def follow(rng: random.Random, split: str, last: Ask) -> Ask | None:
    if last.again and rng.random() < 0.7:
        return last.again(rng, split)
    if isinstance(last, Measured) and last.unit and last.n:
        downs = [(small, factor) for big, small, factor in PAIRS if big is last.unit and factor <= 1024 and last.n * factor <= 10**9]
        if downs and last.n % ONE == 0 and last.n <= 1000 * ONE:
            small, factor = rng.choice(downs)
            work = down_work(last.n, factor, small)
            return Measured(BOOK.say(rng, "more.unit", U=spelled(rng, small)), f"{work}.", number(last.n * factor / ONE), n=last.n * factor, unit=small)
    return last.again(rng, split) if last.again else None


INTENTS: tuple[tuple[Callable[[random.Random, str], Ask], int], ...] = (
    (convert_down, 28), (convert_up, 22), (approximate, 12), (define_back, 1), (mixed, 7), (temperature, 10), (points, 2), (compare, 11),
    (combine, 5), (fill, 2), (cents, 5), (speed, 3), (meanings, 5), (dozen, 2), (height, 1), (download, 2), (same, 4),
)  # fmt: skip
_DECK = [intent for intent, weight in INTENTS for _ in range(weight)]


def generate(rng: random.Random, split: str) -> Conversation:
    first = last = _DECK[int(rng.random() * len(_DECK))](rng, split)
    rest: list[Ask] = []
    while len(rest) < 3 and rng.random() < (0.25 if not rest else 0.35):
        more = follow(rng, split, last)
        if more is None:
            break
        rest.append(more)
        last = more
    return converse(rng, split, "units", first, rest)


if __name__ == "__main__":
    print(BOOK.census())
    self_test(generate, samples=70)
