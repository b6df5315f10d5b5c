"""Units: conversions of length, mass, volume, time, data, temperature, speed and money, comparisons, sums, definitions.

The wordings stand in `phrases.txt`. Amounts are whole numbers of thousandths, so that all arithmetic is exact; what the
question may spell in many ways ("2 1/2 kilometres", "2.5kms") the answer writes in one ("2.5 km").
"""

from __future__ import annotations

import random

from ..common import Conversation
from ..questions import Intents, chat, deck
from .comparing import combine, compare, fill, same
from .converting import approximate, convert_down, convert_up, define_back, mixed
from .following import follow
from .meanings import meanings
from .speeds import cents, download, dozen, height, speed
from .temperature import points, temperature

INTENTS: Intents = (
    (convert_down, 28), (convert_up, 22), (approximate, 12), (define_back, 1), (mixed, 7), (temperature, 10), (points, 2), (compare, 11),
    (combine, 5), (fill, 2), (cents, 5), (speed, 3), (meanings, 5), (dozen, 2), (height, 1), (download, 2), (same, 4),
)  # fmt: skip
DECK = deck(INTENTS)


def generate(rng: random.Random, split: str) -> Conversation:
    return chat(rng, split, "units", DECK, follow, 0.25)
