"""How large the numbers are that people ask about, and which of them are everyday ones."""

from __future__ import annotations

import random


def sized(rng: random.Random, top: int = 4) -> int:
    """A positive number of everyday size, of at most so many digits; round ones often."""
    chance = rng.random()
    if chance < 0.30 or top == 1:
        return rng.randint(1, 20 if top > 1 else 9)
    if chance < 0.72 or top == 2:
        return rng.randint(2, 99) if rng.random() < 0.8 else 5 * rng.randint(2, 20)
    if chance < 0.90 or top == 3:
        return rng.randint(100, 999) if rng.random() < 0.75 else 50 * rng.randint(2, 20)
    return rng.randint(1000, 9999) if rng.random() < 0.8 else 100 * rng.randint(10, 99)


def pair(rng: random.Random, top: int = 4) -> tuple[int, int]:
    a = sized(rng, top)
    b = sized(rng, len(str(a))) if rng.random() < 0.75 else sized(rng, top)
    return (a, b) if rng.random() < 0.6 else (b, a)


def factors(rng: random.Random) -> tuple[int, int]:
    chance = rng.random()
    if chance < 0.42:
        a, b = rng.randint(2, 12), rng.randint(2, 12)
    elif chance < 0.62:
        a, b = rng.randint(11, 99), rng.randint(2, 9)
    elif chance < 0.72:
        a, b = rng.randint(101, 999), rng.randint(2, 9)
    elif chance < 0.90:
        a, b = rng.randint(11, 99), rng.randint(11, 99)
    elif chance < 0.97:
        a, b = rng.randint(2, 99), rng.choice((10, 20, 30, 40, 50, 60, 80, 100))
    else:
        a, b = rng.randint(0, 20), rng.choice((0, 1, 100, 1000))
    return (a, b) if rng.random() < 0.6 else (b, a)


def quotient(rng: random.Random) -> tuple[int, int]:
    chance = rng.random()
    if chance < 0.45:
        b, q = rng.randint(2, 12), rng.randint(2, 12)
    elif chance < 0.75:
        b, q = rng.randint(2, 9), rng.randint(11, 99)
    elif chance < 0.84:
        b, q = rng.randint(2, 9), rng.randint(100, 999)
    elif chance < 0.94:
        b, q = rng.randint(11, 50), rng.randint(2, 30)
    else:
        b, q = rng.choice((10, 20, 25, 50, 100)), rng.randint(2, 40)
    return b * q, b


def small_sum(a: int, b: int) -> bool:
    return a <= 20 and b <= 20


def table(a: int, b: int) -> bool:
    return (a <= 12 and b <= 12) or a <= 1 or b <= 1 or a in (10, 100, 1000) or b in (10, 100, 1000)


def table_quotient(a: int, b: int) -> bool:
    return b <= 12 and a // b <= 12
