"""Strings without sense: characters, syllables, identifiers, sentences, titles."""

from __future__ import annotations

import random
from collections.abc import Callable

from .. import wide
from .entries import Maker, lex

MADE_UP_SHARE = 0.3
LOWER = "abcdefghijklmnopqrstuvwxyz"
UPPER = LOWER.upper()
DIGITS = "0123456789"
HEX = "0123456789abcdef"
ONSETS = ["b", "br", "c", "ch", "cl", "d", "dr", "f", "fl", "g", "gr", "h", "j", "k", "kr", "l", "m", "n", "p", "pl", "qu",
          "r", "s", "sh", "sk", "st", "t", "th", "tr", "v", "w", "x", "y", "z", ""]
VOWELS = ["a", "e", "i", "o", "u", "a", "e", "i", "o", "u", "ai", "ea", "io", "ou", "ee", "oo", "y"]
CODAS = ["", "", "", "n", "r", "l", "s", "m", "t", "nd", "rk", "x", "th", "ss", "ck", "v", "d"]
SENTENCE_STARTS = ["the", "my", "our", "your", "a", "every", "this", "that", "no"]
SENTENCE_VERBS = ["is near", "needs", "has", "wants", "follows", "costs more than", "was under", "sits on", "hides", "loves",
                  "broke", "replaced", "comes after", "belongs to", "sounds like", "stays behind", "found", "leads to"]


def chars(rng: random.Random, alphabet: str, count: int) -> str:
    return "".join(rng.choices(alphabet, k=count))


def syllables(rng: random.Random, low: int = 2, high: int = 3) -> str:
    """A pronounceable lower-case word that does not exist."""
    if rng.random() < 0.5:
        return wide.letters(rng)
    parts = [rng.choice(ONSETS) + rng.choice(VOWELS) for _ in range(rng.randint(low, high))]
    return "".join(parts) + rng.choice(CODAS)


def made_name(rng: random.Random) -> str:
    return syllables(rng).capitalize()


def alnum(rng: random.Random, low: int = 4, high: int = 9) -> str:
    """A random identifier in one of the forms that systems hand out."""
    return rng.choice((
        lambda: f"{chars(rng, UPPER, rng.randint(1, 3))}-{chars(rng, DIGITS, rng.randint(2, 5))}",
        lambda: f"{chars(rng, LOWER, rng.randint(2, 4))}_{chars(rng, HEX, rng.randint(4, 8))}",
        lambda: chars(rng, UPPER + DIGITS, rng.randint(low, high)),
        lambda: chars(rng, LOWER + DIGITS, rng.randint(low, high)),
        lambda: chars(rng, LOWER + UPPER + DIGITS, rng.randint(low, high)),
        lambda: f"{chars(rng, UPPER, 2)}{chars(rng, DIGITS, rng.randint(2, 6))}",
        lambda: f"{chars(rng, UPPER + DIGITS, 3)}-{chars(rng, UPPER + DIGITS, rng.randint(2, 4))}-{chars(rng, DIGITS, 2)}",
        lambda: f"{lex('word', rng, 'train')}-{chars(rng, DIGITS, rng.randint(1, 4))}",
    ))()  # fmt: skip


def sentence(rng: random.Random, split: str) -> str:
    """A sentence of random words, without final stop."""
    form = rng.randrange(4)
    noun, other = lex("word", rng, split), lex("noun", rng, split)
    if form == 0:
        return f"{rng.choice(SENTENCE_STARTS)} {noun} {rng.choice(SENTENCE_VERBS)} the {other}"
    if form == 1:
        return " ".join(lex("word", rng, split) for _ in range(rng.randint(2, 5)))
    if form == 2:
        return f"{lex('adjective', rng, split)} {noun} {rng.choice(SENTENCE_VERBS)} {lex('adjective', rng, split)} {other}"
    return f"{rng.choice(SENTENCE_STARTS)} {lex('adjective', rng, split)} {noun}"


def mixed(name: str, maker: Callable[[random.Random], str] | None = None, share: float = MADE_UP_SHARE) -> Maker:
    """The lexicon, with a share of made-up entries."""
    def make(rng: random.Random, split: str) -> str:
        if maker and rng.random() < share:
            return maker(rng)
        return lex(name, rng, split)
    return make


def made_title(rng: random.Random) -> str:
    word = lambda: lex("word", rng, "train").capitalize()  # noqa: E731
    return rng.choice((
        lambda: f"The {lex('adjective', rng, 'train').capitalize()} {word()}",
        lambda: f"{word()} of {made_name(rng)}",
        lambda: f"{made_name(rng)} {word()}",
        lambda: f"{word()} and {word()}",
        lambda: f"{lex('adjective', rng, 'train').capitalize()} {word()}s",
    ))()  # fmt: skip


def made_company(rng: random.Random) -> str:
    return made_name(rng) + rng.choice(["", "", " Ltd", " GmbH", " Inc.", " Labs", " & Co", " Systems", " Partners", " Group"])


def made_product(rng: random.Random) -> str:
    return rng.choice((
        lambda: f"{made_name(rng)} {rng.randint(1, 900)}",
        lambda: f"{lex('adjective', rng, 'train')} {lex('noun', rng, 'train')}",
        lambda: f"{made_name(rng)} {lex('noun', rng, 'train')}",
        lambda: f"{lex('color', rng, 'train')} {lex('noun', rng, 'train')}",
    ))()  # fmt: skip


def text(rng: random.Random, split: str) -> str:
    """Something to write down or to send: a message, a task, or random words."""
    form = rng.random()
    if form < 0.45:
        return lex("message", rng, split)
    if form < 0.6:
        return lex("task", rng, split)
    if form < 0.68:
        return rng.choice(["hello world", "hello", "test", "ok", "todo", "TODO: fix this", "done", "hi there", "Hello, world!"])
    return sentence(rng, split)


def flight(rng: random.Random, split: str) -> str:
    return f"{chars(rng, UPPER, 2)}{rng.choice(['', '', ' '])}{rng.randint(10, 9999)}"


def plate(rng: random.Random, split: str) -> str:
    return rng.choice([f"{chars(rng, UPPER, 2)}-{chars(rng, UPPER, 2)} {rng.randint(10, 9999)}",
                       f"{chars(rng, UPPER, 3)} {rng.randint(100, 999)}", f"{chars(rng, UPPER, 2)}{rng.randint(10, 99)} {chars(rng, UPPER, 3)}"])


def unique_id(rng: random.Random, split: str) -> str:
    return alnum(rng)
