"""Several numbers at once: averages, totals, comparing, ordering, median and range."""

from __future__ import annotations

import random

from ..numbers import in_words, scaled
from ..people import cast
from ..questions import NO, YES, Ask, has, never, number, operands
from ..templates import expand
from ..wording import listed
from .sizes import sized
from .wording import BOOK, listing


def average(rng: random.Random, split: str) -> Ask:
    def draw() -> tuple[int, ...]:
        count = rng.choice((2, 2, 3, 3, 3, 4, 4, 5))
        top = rng.choice((10, 10, 20, 50, 100))
        numbers = [rng.randint(1, top) for _ in range(count)]
        numbers[-1] += -sum(numbers) % count if rng.random() < 0.85 or count == 3 else 0
        if count != 3 and sum(numbers) * 2 % count:
            numbers[-1] += -sum(numbers) % count
        return tuple(numbers)

    numbers, _ = operands(rng, split, "avg", draw, never)
    total, count = sum(numbers), len(numbers)
    result = scaled(total * 10 // count, 1)
    equation = f"{' + '.join(map(str, numbers))} = {total}, {total} / {count} = {result}"
    entries = list(map(in_words if max(numbers) <= 20 and rng.random() < 0.08 else str, numbers))
    text = expand(rng, BOOK.line(rng, "avg.whole"), **listing(rng, entries), **cast(rng))
    return Ask(text, rng.choice((f"{equation}.", f"{equation}.", f"{equation}, so the average is {result}.")), number(total / count), None, equation)


def total(rng: random.Random, split: str) -> Ask:
    def draw() -> tuple[int, ...]:
        top = rng.choice((9, 10, 20, 50, 100, 100, 500))
        return tuple(rng.randint(1, top) for _ in range(rng.choice((3, 3, 3, 4, 4, 5))))

    numbers, _ = operands(rng, split, "sum", draw, never)
    steps, running = [], numbers[0]
    for n in numbers[1:]:
        steps.append(f"{running} + {n} = {running + n}")
        running += n
    short = f"{' + '.join(map(str, numbers))} = {running}"
    equation = short if max(numbers) <= 20 and len(numbers) == 3 else ", ".join(steps)
    entries = list(map(in_words if max(numbers) <= 20 and rng.random() < 0.08 else str, numbers))
    text = expand(rng, BOOK.line(rng, "total.whole"), **listing(rng, entries), **cast(rng))
    return Ask(text, rng.choice((f"{equation}.", f"{equation}.", f"{equation}. The total is {running}.")), number(running), running, short)


def figure(rng: random.Random) -> tuple[int, str]:
    """A number for a comparison, in thousandths, as written."""
    chance = rng.random()
    if chance < 0.4:
        n = sized(rng) * 1000
    elif chance < 0.7:
        n = rng.randint(1, 99) * 10
    elif chance < 0.85:
        n = rng.randint(1, 9) * 100 + 1000 * rng.randint(0, 9)
    elif chance < 0.95:
        n = rng.randint(1, 999) + 1000 * rng.randint(0, 12)
    else:
        n = -1000 * rng.randint(1, 20)
    return n, scaled(n, 3)


def figures(rng: random.Random) -> tuple[int, int]:
    if rng.random() < 0.45:  # numbers near each other, or with the same digits
        a = figure(rng)[0]
        return a, rng.choice((a + 1000, a - 1000, a * 10 if a < 10**6 else a // 10, a + 10, a + 100, a + 50, abs(a - 20)))
    if rng.random() < 0.4:
        return rng.randint(1, 99) * 10, rng.randint(1, 9) * 100
    return figure(rng)[0], figure(rng)[0]


def compare(rng: random.Random, split: str) -> Ask:
    (a, b), _ = operands(rng, split, "<", lambda: figures(rng), never)
    if a == b:
        b += 1000
    x, y = scaled(a, 3), scaled(b, 3)
    chance = rng.random()
    if chance < 0.3:
        bigger = rng.random() < 0.5
        rel = rng.choice(("larger", "bigger", "greater", "more", "higher") if bigger else ("smaller", "less", "lower"))
        yes = (a > b) == bigger
        text = BOOK.say(rng, "cmp.yes", a=x, b=y, rel=rel)
        truth = f"{x} is {'larger' if a > b else 'smaller'} than {y}"
        return Ask(text, f"{'Yes' if yes else 'No'}, {truth}.", has(YES if yes else NO), None, truth)
    larger = chance < 0.75
    text = BOOK.say(rng, "larger.whole" if larger else "smaller.whole", a=x, b=y, **cast(rng))
    first, other = (x, y) if (a > b) == larger else (y, x)
    words = ("larger", "bigger", "greater", "more", "higher", "the larger", "the bigger") if larger else ("smaller", "less", "lower", "the smaller")
    asked_word = next((word for word in words if word in text), words[0])
    truth = f"{first} is {asked_word} than {other}"
    answer = rng.choice((f"{truth}.", f"{truth}.", f"{first} is {asked_word}."))
    return Ask(text, answer, has([f"{first} is {word}" for word in words] + [f"{word} is {first}" for word in words]
                                 + [f"{word} number is {first}" for word in words]), None, truth)  # fmt: skip


def order(rng: random.Random, split: str) -> Ask:
    numbers, _ = operands(rng, split, "order", lambda: tuple(rng.sample(range(1, rng.choice((20, 50, 100, 100, 1000))), rng.choice((3, 3, 4, 4, 5)))), never)
    chance = rng.random()
    said = listing(rng, list(map(str, numbers)))
    if chance < 0.55:
        largest = chance < 0.32
        value = max(numbers) if largest else min(numbers)
        word = "largest" if largest else "smallest"
        text = BOOK.say(rng, "maxlist.whole" if largest else "minlist.whole", **said)
        return Ask(text, rng.choice((f"{value} is the {word}.", f"The {word} is {value}.", f"{value}.")), number(value))
    down = chance > 0.8
    ordered = [str(n) for n in sorted(numbers, reverse=down)]
    text = BOOK.say(rng, "sort.down" if down else "sort.up", **said)
    joined = ", ".join(ordered)
    return Ask(text, rng.choice((f"{joined}", f"{joined}.", f"In order: {joined}.")), has([joined, " ".join(ordered), listed(ordered)]))


def spread(rng: random.Random, split: str) -> Ask:
    """Median and range of a short list."""
    numbers = [rng.randint(1, rng.choice((10, 20, 50, 100))) for _ in range(rng.choice((3, 5, 5)))]
    ordered = sorted(numbers)
    said = listing(rng, list(map(str, numbers)))
    if rng.random() < 0.65:
        middle = ordered[len(ordered) // 2]
        return Ask(BOOK.say(rng, "median.whole", **said), f"In order: {', '.join(map(str, ordered))}. The median is {middle}.", number(middle))
    result = ordered[-1] - ordered[0]
    return Ask(BOOK.say(rng, "range.whole", **said), f"{ordered[-1]} - {ordered[0]} = {result}.", number(result), result)
