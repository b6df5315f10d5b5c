"""Small talk: greetings, moods, jokes, advice, refusals, what it cannot know, and remembering what was said before."""

from __future__ import annotations

import random

from ..common import Conversation
from .again import again
from .intents import intent_turn
from .memory import not_told, remember

SYSTEM = ("You are a helpful assistant.", "You are a friendly assistant.", "Answer briefly.", "You are flashmoe's demonstration model.", "Be kind and short.")


def generate(rng: random.Random, split: str) -> Conversation:
    made = Conversation("smalltalk", [])
    if rng.random() < 0.05:
        made.messages.append({"role": "system", "content": rng.choice(SYSTEM)})
    kind = rng.random()
    if kind < 0.27:
        remember(rng, split, made)
    elif kind < 0.30:
        not_told(rng, split, made)
    elif kind < 0.36:
        again(rng, split, made)
    else:
        avoid: set[str] = set()
        for _ in range(rng.choices((1, 2, 3), (66, 24, 10))[0]):
            intent_turn(rng, split, made, avoid)
    return made
