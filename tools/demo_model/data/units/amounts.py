"""How amounts are said in a question and written in an answer."""

from __future__ import annotations

import random

from ..numbers import in_words, scaled
from .table import ONE, Unit


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
