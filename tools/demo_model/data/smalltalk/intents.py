"""What people say for its own sake, and answers to it: `intents.txt`."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from ..common import Conversation, assistant, held_out, kept_back, user
from ..phrasing import careless, wrap
from ..selftest import contains
from ..templates import expand
from ..textfiles import marked
from ..wording import tidy


@dataclass
class Intent:
    name: str
    check: list[list[str]]  # what an answer must hold: of each group one; empty where it is not scored
    asks: list[str]
    answers: list[str]


ALL = [Intent(name, [[one.strip() for one in group.split(",")] for line in lines["="] for group in line.split("/")], lines["?"], lines["!"])
       for name, lines in marked(Path(__file__).with_name("intents.txt")).items()]  # fmt: skip
OFTEN = frozenset(["hello", "how_are_you", "thanks", "goodbye", "joke", "compliment", "news", "prices", "future", "private_data", "gibberish", "foreign_language", "story", "poem", "capabilities_short", "good_morning", "who_is_user", "fun_fact"])
NO_WRAP = frozenset(
    ["hello", "good_morning", "good_afternoon", "good_evening", "good_night", "user_fine", "thanks", "goodbye", "insult", "apology", "laugh", "foreign_language", "gibberish", "test", "yes", "no", "wrong", "are_you_sure", "quiet", "holidays", "not_funny", "emergency"])


def weights() -> list[float]:
    total = 0.0
    sums = []
    for intent in ALL:
        total += 2.5 if intent.name in OFTEN else 1
        sums.append(total)
    return sums


SUMS = weights()


def said(rng: random.Random, split: str, intent: Intent) -> str:
    """A way to say it; a share of the readings is kept back, so that both splits know each way."""
    want = held_out(split)
    text = ""
    for _ in range(60):
        text = tidy(expand(rng, rng.choice(intent.asks)))
        if kept_back(f"{intent.name}: {text}") == want:
            break
    if intent.name in NO_WRAP:
        return text if intent.name in ("gibberish", "foreign_language") else careless(rng, text)
    return wrap(rng, text, (), 0.4)


def intent_turn(rng: random.Random, split: str, made: Conversation, avoid: set[str]) -> None:
    intent = rng.choices(ALL, cum_weights=SUMS)[0]
    while intent.name in avoid or (made.messages and intent.name == "hello") or (intent.name in ("who_is_user", "private_data") and made.messages):
        intent = rng.choices(ALL, cum_weights=SUMS)[0]
    if not any(message["role"] == "user" for message in made.messages):
        while intent.name in avoid or intent.name in ("wrong", "are_you_sure", "laugh", "not_funny", "yes", "no"):
            intent = rng.choices(ALL, cum_weights=SUMS)[0]
    avoid.add(intent.name)
    made.messages += [user(said(rng, split, intent)), assistant(rng.choice(intent.answers))]
    if intent.check:
        made.checks.append(contains(len(made.messages) - 1, *intent.check))
