"""How a calculation is asked for and told, beside what `phrases.txt` holds."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..numbers import show
from ..phrasebook import Phrasebook
from ..templates import expand
from ..wording import listed

BOOK = Phrasebook(Path(__file__).with_name("phrases.txt"))


def asked(rng: random.Random, split: str, kind: str, fact: str, whole_share: float = 0.5, **texts: Any) -> str:
    """A question of this kind: an expression in a frame, or a sentence of its own."""
    if f"{kind}.whole" not in BOOK or (f"{kind}.expr" in BOOK and rng.random() > whole_share):
        expression = expand(rng, BOOK.line(rng, f"{kind}.expr", split, fact), **texts)
        return expand(rng, BOOK.line(rng, "frame"), x=expression)
    return expand(rng, BOOK.line(rng, f"{kind}.whole", split, fact), **texts)


def told(rng: random.Random, equation: str, result: str, noun: str = "result") -> str:
    """An answer that states an equation, now and then in a sentence."""
    chance = rng.random()
    if chance < 0.72:
        return f"{equation}."
    if chance < 0.80:
        return f"{equation}, so the {noun} is {result}."
    if chance < 0.86:
        return f"That's {result}: {equation}." if equation.count("=") == 1 else f"{equation}. That's {result}."
    if chance < 0.93:
        return f"The {noun} is {result}." if equation.count("=") == 1 else f"{equation}. The {noun} is {result}."
    return f"It's {result}." if equation.count("=") == 1 else f"{equation}."


def over(a: int, b: int) -> str:
    """An equation for an exact quotient, by steps where the divisor has two digits."""
    quotient = a // b
    if b > 12 and quotient > 10 and quotient % 10 and b % 10:
        tens = quotient // 10 * 10
        return f"{b} x {tens} = {show(b * tens)}, {b} x {quotient - tens} = {show(b * (quotient - tens))}, so {show(a)} / {b} = {quotient}"
    return f"{show(a)} / {b} = {show(quotient)}"


def listing(rng: random.Random, entries: Sequence[str]) -> dict[str, str]:
    """A list in the ways people write one."""
    return {
        "l": listed(entries) if rng.random() < 0.7 else ", ".join(entries[:-1]) + f", and {entries[-1]}",
        "lc": rng.choice((", ", ", ", ", ", " ", "; ", ",")).join(entries),
        "ls": rng.choice((" + ", "+")).join(entries),
        "lp": " plus ".join(entries),
    }
