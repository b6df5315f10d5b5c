"""Which of two amounts is more, sums of two, and how often one fits into another."""

from __future__ import annotations

import random

from ..numbers import scaled, show
from ..questions import NO, YES, Ask, has, never, number, operands
from ..templates import expand
from .amounts import amount, spelled, written
from .converting import MIXES, Measured
from .table import BOOK, ONE, PAIRS, UNITS

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
    ways = [f"{form} {verb} {word}" for form in dict.fromkeys((winner, said)) for verb in ("is", "are", "weighs", "takes", "lasts") for word in (*rels, f"the {rels[0]}")]
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
