"""Tools to call: those written by hand in `catalogue.txt`, and synthetic ones that no model has ever seen.

A `Tool` knows how it may be described, what its parameters hold and how people ask for it; `offer` makes one concrete
schema of it (name, parameter names, descriptions and order vary), `ask` makes one request with the values said in it.
"""

from __future__ import annotations

from .catalogue import BUILTIN, BY_NAME, BY_SPLIT, CATALOGUE, NEVER, never
from .offering import FREE_TEXT, offer
from .requests import CONTEXTS, ask, dress
from .synthetic import ACTIONS, key_of, synthetic, synthetic_noun, synthetic_param, third_person
from .templates import parse, render, slots
from .tool import Ask, Offered, Param, Tool, upper_first, words_of
from .values import NUMBER_WORDS, sample

__all__ = [
    "ACTIONS",
    "BUILTIN",
    "BY_NAME",
    "BY_SPLIT",
    "CATALOGUE",
    "CONTEXTS",
    "FREE_TEXT",
    "NEVER",
    "NUMBER_WORDS",
    "Ask",
    "Offered",
    "Param",
    "Tool",
    "ask",
    "dress",
    "key_of",
    "never",
    "offer",
    "parse",
    "render",
    "sample",
    "slots",
    "synthetic",
    "synthetic_noun",
    "synthetic_param",
    "third_person",
    "upper_first",
    "words_of",
]  # fmt: skip
