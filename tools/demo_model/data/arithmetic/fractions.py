"""Fractions, their decimals and simplest forms, and Roman numerals."""

from __future__ import annotations

import math
import random

from ..numbers import scaled
from ..questions import NO, YES, Ask, has, never, number, operands
from ..templates import expand
from .operations import PART_NAMES
from .wording import BOOK

FRACTIONS = [(1, 2), (1, 3), (2, 3), (1, 4), (3, 4), (1, 5), (2, 5), (3, 5), (4, 5), (1, 6), (5, 6), (1, 8), (3, 8), (5, 8), (7, 8), (1, 10), (3, 10), (7, 10), (9, 10)]


def fraction(rng: random.Random, split: str) -> Ask:
    chance = rng.random()
    if chance < 0.5:
        top, bottom = rng.choice(((1, 2), (1, 4), (3, 4), (1, 5), (2, 5), (3, 5), (4, 5), (1, 10), (3, 10), (7, 10), (9, 10), (1, 20), (1, 100), (3, 20), (1, 8), (3, 8)))
        name = f"{top}/{bottom}"
        if chance < 0.2 and (top, bottom) in PART_NAMES:
            name = rng.choice(PART_NAMES[top, bottom])
        decimal = scaled(1000 * top // bottom, 3)
        if chance < 0.22:
            share = scaled(1000 * top // bottom, 1)
            return Ask(expand(rng, BOOK.line(rng, "frac.pct", split, name), f=name), rng.choice((f"{top}/{bottom} = {decimal} = {share}%.", f"{name} is {share}%.".capitalize())),
                       number(float(share)), None, f"{top}/{bottom} = {share}%")  # fmt: skip
        if chance < 0.38:
            return Ask(expand(rng, BOOK.line(rng, "frac.dec", split, name), f=name), rng.choice((f"{top}/{bottom} = {decimal}.", f"It's {decimal}.")), number(float(decimal)), None, f"{top}/{bottom} = {decimal}")
        return Ask(expand(rng, BOOK.line(rng, "dec.frac", split, decimal), d=decimal), rng.choice((f"{decimal} = {top}/{bottom}.", f"It's {top}/{bottom}.")), has(f"{top}/{bottom}"), None, f"{decimal} = {top}/{bottom}")
    (p, q), _ = operands(rng, split, "frac", lambda: (rng.randrange(len(FRACTIONS)), rng.randrange(len(FRACTIONS))), never)
    (a, b), (c, d) = FRACTIONS[p], FRACTIONS[q]
    sign, word = rng.choice((("+", "plus"), ("+", "and"), ("-", "minus"), ("x", "times")))
    if sign == "-" and a * d < c * b:
        (a, b), (c, d) = (c, d), (a, b)
    common = b * d // math.gcd(b, d)
    if sign == "x":
        top, bottom, steps = a * c, b * d, []
    else:
        top = a * common // b + (c * common // d if sign == "+" else -c * common // d)
        bottom = common
        steps = [f"{a * common // b}/{common} {sign} {c * common // d}/{common}"] if b != d else []
    steps.append(f"{top}/{bottom}")
    common = math.gcd(top, bottom) if top else bottom
    low = f"{top // common}" if bottom == common else f"{top // common}/{bottom // common}"
    if low != steps[-1]:
        steps.append(low)
    equation = f"{a}/{b} {sign} {c}/{d} = {' = '.join(steps)}"
    names = (f"{a}/{b}", f"{c}/{d}")
    if rng.random() < 0.2 and (a, b) in PART_NAMES and (c, d) in PART_NAMES and word != "times":
        names = rng.choice(PART_NAMES[a, b][:-1]), rng.choice(PART_NAMES[c, d][:-1])
    text = BOOK.say(rng, "frac.sum", f=names[0], g=names[1], o=sign if names[0][0].isdigit() else word, w=word)
    good = [low]
    if bottom // common > 1 and 100000 % (bottom // common) == 0:
        good.append(scaled(top * 100000 // bottom, 5))
    if bottom // common > 1 and top // common > bottom // common:
        good.append(f"{top // bottom} {top // common % (bottom // common)}/{bottom // common}")
    return Ask(text, f"{equation}.", has(good), None, equation)


ROMAN = ((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))


def roman(n: int) -> str:
    text = ""
    for value, sign in ROMAN:
        while n >= value:
            text, n = text + sign, n - value
    return text


def numeral(rng: random.Random, split: str) -> Ask:
    (a,), fact = operands(rng, split, "roman", lambda: (rng.randint(1, 20) if rng.random() < 0.5 else rng.choice((50, 100, 500, 1000, rng.randint(21, 100), rng.randint(1900, 2030))),), lambda a: a <= 20)
    if rng.random() < 0.5:
        return Ask(expand(rng, BOOK.line(rng, "roman.to", split, fact), a=a), rng.choice((f"{a} is {roman(a)}.", f"{roman(a)}", f"In Roman numerals {a} is {roman(a)}.")), has(roman(a)))
    return Ask(expand(rng, BOOK.line(rng, "roman.from", split, fact), a=roman(a)), rng.choice((f"{roman(a)} is {a}.", f"{roman(a)} = {a}.", f"It's {a}.")), number(a), a)


def fraction_form(rng: random.Random, split: str) -> Ask:
    if rng.random() < 0.5:
        (top, bottom, k), _ = operands(rng, split, "simplify", lambda: (*rng.choice(FRACTIONS), rng.randint(2, 12)), never)
        f = f"{top * k}/{bottom * k}"
        return Ask(BOOK.say(rng, "frac.simple", f=f), rng.choice((f"{f} = {top}/{bottom}.", f"Divide both by {k}: {f} = {top}/{bottom}.")), has([f"{top}/{bottom}"]), None, f"{f} = {top}/{bottom}")
    (p, q), _ = operands(rng, split, "fraccmp", lambda: tuple(rng.sample(range(len(FRACTIONS)), 2)), never)
    (a, b), (c, d) = FRACTIONS[p], FRACTIONS[q]
    common = b * d // math.gcd(b, d)
    x, y = a * common // b, c * common // d
    text = BOOK.say(rng, "frac.larger", f=f"{a}/{b}", g=f"{c}/{d}")
    lead = f"{a}/{b} = {x}/{common} and {c}/{d} = {y}/{common}, so" if b != d else ""
    if text.startswith("is"):
        return Ask(text, f"{lead} {'yes' if x > y else 'no'}.".strip().capitalize() if not lead else f"{lead} {'yes' if x > y else 'no'}.", has(YES if x > y else NO))
    best = f"{a}/{b}" if x > y else f"{c}/{d}"
    return Ask(text, f"{lead} {best} is larger.".strip(), has([f"{best} is {w}" for w in ("larger", "bigger", "more", "greater", "the larger", "the bigger")] + [f"is {best}"]))
