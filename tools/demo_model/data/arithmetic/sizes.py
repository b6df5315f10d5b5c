"""How large the numbers are that people ask about, and which of them are everyday ones."""

from __future__ import annotations

import random
from collections.abc import Sequence

Ranges = tuple[tuple[float, Sequence[int], Sequence[int]], ...]


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


# Up to which chance, and what the first and the second number are drawn from.
FACTORS: Ranges = (
    (0.42, range(2, 13), range(2, 13)),
    (0.62, range(11, 100), range(2, 10)),
    (0.72, range(101, 1000), range(2, 10)),
    (0.90, range(11, 100), range(11, 100)),
    (0.97, range(2, 100), (10, 20, 30, 40, 50, 60, 80, 100)),
    (1.00, range(21), (0, 1, 100, 1000)),
)
DIVISORS: Ranges = (  # and quotients
    (0.45, range(2, 13), range(2, 13)),
    (0.75, range(2, 10), range(11, 100)),
    (0.84, range(2, 10), range(100, 1000)),
    (0.94, range(11, 51), range(2, 31)),
    (1.00, (10, 20, 25, 50, 100), range(2, 41)),
)


def drawn(rng: random.Random, ranges: Ranges) -> tuple[int, int]:
    chance = rng.random()
    first, second = next((first, second) for share, first, second in ranges if chance < share)
    return rng.choice(first), rng.choice(second)


def factors(rng: random.Random) -> tuple[int, int]:
    a, b = drawn(rng, FACTORS)
    return (a, b) if rng.random() < 0.6 else (b, a)


def quotient(rng: random.Random) -> tuple[int, int]:
    """A dividend and what divides it without rest."""
    b, q = drawn(rng, DIVISORS)
    return b * q, b


def small_sum(a: int, b: int) -> bool:
    return a <= 20 and b <= 20


def table(a: int, b: int) -> bool:
    return (a <= 12 and b <= 12) or a <= 1 or b <= 1 or a in (10, 100, 1000) or b in (10, 100, 1000)


def table_quotient(a: int, b: int) -> bool:
    return b <= 12 and a // b <= 12
