"""Arithmetic as people ask it: sums to word problems, with one short line of working where a small model needs it.

The wordings stand in `phrases.txt`. Every intent is a function `(rng, split) -> Ask`; `generate` picks one by weight and may
go on for a turn or two ("and times 3?").
"""

from __future__ import annotations

import random

from ..common import Conversation
from ..numbers import show
from ..questions import Ask, Intents, converse, deck
from .facts import counting, legs, number_fact, which_one
from .following import doubted, follow
from .fractions import fraction, fraction_form, numeral
from .lists import average, compare, order, spread, total
from .money import buy, buy_change, change, discount, exchange, percent, percent_back, proportion, ratio, what_percent
from .operations import add, decimals, divide, double, half, multiply, negative, part_of, remainder, subtract
from .properties import (
    claim,
    divisible,
    divisors,
    even,
    neighbour,
    power,
    prime,
    rough_root,
    rounded,
    sequence,
    unknown,
    words,
)
from .steps import both, precedence, two_step
from .stories import long_story, many_times, shape, story
from .wording import BOOK

INTENTS: Intents = (
    (add, 12), (subtract, 11), (multiply, 12), (divide, 8), (remainder, 2), (decimals, 4), (negative, 2), (double, 4), (half, 4),
    (part_of, 3), (percent, 8), (discount, 5), (what_percent, 2), (buy, 4), (change, 3), (buy_change, 2), (proportion, 1),
    (average, 4), (total, 4), (compare, 4), (order, 2), (even, 3), (divisible, 2), (prime, 1), (power, 5), (unknown, 3), (claim, 2),
    (rounded, 2), (sequence, 2), (neighbour, 1), (words, 2), (fraction, 2), (numeral, 1), (two_step, 5), (story, 12), (long_story, 5),
    (shape, 4), (legs, 2), (number_fact, 2), (counting, 3), (which_one, 2), (spread, 1), (divisors, 2), (percent_back, 1), (fraction_form, 2),
    (ratio, 1), (exchange, 1), (rough_root, 1), (many_times, 2), (precedence, 3), (both, 1),
)  # fmt: skip
DECK = deck(INTENTS)
BARE = (add, subtract, double, half, even, power)  # answered well enough without working


def generate(rng: random.Random, split: str) -> Conversation:
    intent = DECK[int(rng.random() * len(DECK))]
    first = intent(rng, split)
    rest: list[Ask] = []
    if rng.random() < 0.025 and first.check["kind"] == "number" and first.value is not None and first.value < 200 and intent in BARE[:4]:
        first.question = BOOK.say(rng, "bare", q=first.question)
        first.answer = show(first.value)
    last = first
    while rng.random() < (0.24 if not rest else 0.35) and len(rest) < 3:
        if last.again and rng.random() < 0.5:
            last = last.again(rng, split)
        elif last.equation and last.check["kind"] == "number" and rng.random() < 0.12:
            last = doubted(rng, last)
        elif last.value is not None and 0 <= last.value <= 9999:
            last = follow(rng, split, last.value)
        else:
            break
        rest.append(last)
    return converse(rng, "arithmetic", first, rest)
