"""A topic made of questions with answers that can be worked out: one question, its checks, and chats of several.

Pairs of operands are held out by `kept_back("+ 17 25")`; the everyday ones (tables, sums below 21) are always trained, and
are held out together with a wording instead.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .common import Check, Conversation, assistant, held_out, kept_back, user
from .phrasing import careless, wrap


@dataclass
class Ask:
    """One question with its answer, and what a follow-up needs: the value reached and the equation that reached it."""

    question: str
    answer: str
    check: Check  # without its turn
    value: int | None = None
    equation: str = ""
    again: Callable[[random.Random, str], Ask] | None = None  # the same question about something else, in a few words


Intent = Callable[[random.Random, str], Ask]
Intents = tuple[tuple[Intent, int], ...]  # with how often each is drawn
Follow = Callable[[random.Random, str, Ask], Ask | None]


def number(value: float) -> Check:
    return {"kind": "number", "value": value}


def has(*groups: Sequence[str] | str) -> Check:
    return {"kind": "contains", "all": [[group] if isinstance(group, str) else list(group) for group in groups]}


YES = ["yes", "true", "right", "correct", "indeed"]
NO = ["no", "not", "false", "wrong", "incorrect", "isn't", "doesn't"]


def operands(
    rng: random.Random, split: str, sign: str, draw: Callable[[], tuple[int, ...]], everyday: Callable[..., bool]
) -> tuple[tuple[int, ...], str]:
    """Numbers that this split may use, and the fact with which a wording is paired ("" where the numbers decide)."""
    numbers: tuple[int, ...] = ()
    for _ in range(200):
        numbers = draw()
        fact = f"{sign} {' '.join(map(str, sorted(numbers) if sign in '+x' else numbers))}"
        if everyday(*numbers):
            if not held_out(split) or rng.random() < 0.1:
                return numbers, fact
        elif kept_back(fact) == held_out(split):
            return numbers, ""
    return numbers, f"{sign} {numbers}"


def never(*_: int) -> bool:
    return False


_I = re.compile(r"(?<![\w'])i(?=[ '])")
_NEXT = re.compile(r"((?<!\.m)(?<!\bSt)[.?!] )([a-z])")


def tidy(rng: random.Random, text: str) -> str:
    """The line as a careful writer has it: a capital I, and mostly a capital at the start of a sentence."""
    text = _I.sub("I", " ".join(text.split()))
    if ". " in text or "? " in text:
        text = _NEXT.sub(lambda found: found[1] + found[2].upper(), text)
    if text[1:3].isalpha() and rng.random() < 0.7:
        text = text[0].upper() + text[1:]
    return text


def converse(rng: random.Random, topic: str, first: Ask, rest: Sequence[Ask] = ()) -> Conversation:
    """The conversation of these questions, the first of them wrapped as people type."""
    made = Conversation(topic=topic, messages=[])
    for index, ask in enumerate((first, *rest)):
        text = tidy(rng, ask.question)
        text = wrap(rng, text) if index == 0 else careless(rng, text)
        made.messages += [user(text), assistant(ask.answer)]
        made.checks.append({"turn": 2 * index + 1, **ask.check})
    return made


def deck(intents: Intents) -> list[Intent]:
    """Each intent as often as it weighs, to draw one by its index."""
    return [intent for intent, weight in intents for _ in range(weight)]


def chat(rng: random.Random, split: str, topic: str, intents: Sequence[Intent], follow: Follow, more: float) -> Conversation:
    """One question and up to three that follow from it; a second one comes in a share `more` of all chats."""
    first = last = intents[int(rng.random() * len(intents))](rng, split)
    rest: list[Ask] = []
    while len(rest) < 3 and rng.random() < (0.35 if rest else more):
        following = follow(rng, split, last)
        if following is None:
            break
        rest.append(following)
        last = following
    return converse(rng, topic, first, rest)
