"""Numbers, prices, versions and expressions."""

from __future__ import annotations

import random


def decimal(rng: random.Random, low: float, high: float) -> float | int:
    places = rng.choice([1, 1, 1, 2, 2, 3]) if high <= 1000 else rng.choice([1, 2])
    number = round(rng.uniform(low, high), places)
    return int(number) if number == int(number) else number


def money(rng: random.Random, split: str) -> float | int:
    form = rng.random()
    if form < 0.3:
        return rng.choice([rng.randint(1, 99), rng.randint(100, 999), rng.randint(1000, 9999)])
    number = round(rng.choice([rng.uniform(1, 20), rng.uniform(10, 200), rng.uniform(100, 3000)]), 2)
    if form < 0.55:
        number = int(number) + rng.choice([0.5, 0.99, 0.95, 0.25, 0.75])
    return int(number) if number == int(number) else number


def version(rng: random.Random, split: str) -> str:
    base = f"{rng.randint(0, 12)}.{rng.randint(0, 20)}"
    if rng.random() < 0.75:
        base += f".{rng.randint(0, 30)}"
    return rng.choice(["", "", "v"]) + base + (f"-{rng.choice(['rc1', 'beta', 'alpha.2'])}" if rng.random() < 0.1 else "")


def expression(rng: random.Random, split: str) -> str:
    """An arithmetic expression as a person types it, with single spaces."""
    def number() -> str:
        form = rng.random()
        if form < 0.4:
            return str(rng.randint(2, 99))
        if form < 0.65:
            return str(rng.randint(100, 9999))
        return str(decimal(rng, 0.1, rng.choice([10, 100, 900])))

    form, op = rng.random(), lambda: rng.choice("+-*/")
    if form < 0.5:
        return f"{number()} {op()} {number()}"
    if form < 0.72:
        return f"{number()} {op()} {number()} {op()} {number()}"
    if form < 0.86:
        return f"({number()} {op()} {number()}) {op()} {number()}"
    if form < 0.93:
        return f"{number()} {op()} ({number()} {op()} {number()})"
    return f"{rng.randint(2, 30)} ** {rng.randint(2, 5)}" if form < 0.97 else f"sqrt({rng.randint(2, 999)})"
