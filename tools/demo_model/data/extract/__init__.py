"""From a sentence, a note, a log line or a table to JSON with the keys that the request names.

The answer is the JSON object alone on one line, whatever wrapping was asked for; what the text does not say is null.
"""

from __future__ import annotations

import random

from ..common import Conversation
from .domains import sample, usable
from .lists import plain_list, table
from .records import about_one, nested, single

__all__ = [
    "sample", "usable",
]  # fmt: skip


CASES = [(single, 80), (about_one, 6), (table, 5), (plain_list, 6), (nested, 3)]


def generate(rng: random.Random, split: str) -> Conversation:
    case = rng.choices([case for case, _ in CASES], [weight for _, weight in CASES])[0]
    return case(rng, split)
