"""What a unit or a prefix means, and which units measure what."""

from __future__ import annotations

import random

from ..questions import Ask, has
from ..templates import expand
from .amounts import with_article
from .table import BOOK, UNITS

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
