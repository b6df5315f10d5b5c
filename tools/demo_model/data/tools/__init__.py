"""Calling tools: built-in ones, ones written by hand and synthetic ones, in one and several turns, and not calling.

The request, the schema and the values vary independently (`schemas`, `lexicons`), so that the only way to be right is to
read the schema and to copy from the request.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from ..common import Conversation
from .chains import chain
from .files import file_question
from .records import record_question
from .several import pair
from .single import follow_up, single
from .without import missing, no_fit, no_tools

CASES: list[tuple[Callable[[random.Random, str], Conversation], int]] = [
    (single, 42), (follow_up, 8), (pair, 11), (missing, 8), (no_fit, 10), (no_tools, 3), (chain, 7), (file_question, 5), (record_question, 6),
]


def generate(rng: random.Random, split: str) -> Conversation:
    case = rng.choices([case for case, _ in CASES], [weight for _, weight in CASES])[0]
    return case(rng, split)
