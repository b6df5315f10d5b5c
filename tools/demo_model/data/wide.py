"""Words and names by the ten thousand, for training: what is to be copied is as good as never the same twice.

English words come from the packages wonderwords and english-words (Webster's second edition), names of people and places
in Latin letters from faker. What any lexicon keeps back for evaluation never comes out.
"""

from __future__ import annotations

import importlib
import pkgutil
import random
import re
import string
from functools import cache
from importlib import resources

from english_words import get_english_words_set

from .common import kept_back

LATIN = re.compile(r"[^\W\d_][^\W\d_' -]{1,23}$")
PLACES = ("cities", "city_names", "municipalities", "towns", "districts", "counties", "states", "provinces")
VOWELS, CONSONANTS = "aeiouy", "bcdfghjklmnpqrstvwxz"


def _free(entries: set[str]) -> list[str]:
    """Those that no spelling of is kept back, sorted: a set's order differs from process to process."""
    return sorted(e for e in entries if not any(map(kept_back, {e, e.lower(), e.upper(), e.capitalize()})))


@cache
def _faker() -> tuple[list[str], list[str], list[str]]:
    first: set[str] = set()
    last: set[str] = set()
    places: set[str] = set()
    for topic, into in (("person", (("first_names", first), ("last_names", last))), ("address", ((p, places) for p in PLACES))):
        package = importlib.import_module(f"faker.providers.{topic}")
        into = tuple(into)
        for module in pkgutil.iter_modules(package.__path__):
            provider = importlib.import_module(f"{package.__name__}.{module.name}").Provider
            for attribute, entries in into:
                found = getattr(provider, attribute, ())
                if isinstance(found, (tuple, list, dict)):
                    entries.update(e for e in found if isinstance(e, str) and LATIN.match(e) and e < "\u0250")
    return _free(first), _free(last), _free(places)


@cache
def _english() -> tuple[list[str], list[str]]:
    """Usual words and all words, lower case."""
    lists = resources.files("wonderwords") / "assets"
    usual, rude = ({line.strip().lower() for file in files for line in (lists / f"{file}list.txt").read_text().splitlines()}
                   for files in (("noun", "verb", "adjective"), ("profanity",)))
    every = get_english_words_set(["web2"], alpha=True, lower=True)
    plain = re.compile(r"[a-z]{3,14}$")
    return tuple(_free({word for word in words - rude if plain.match(word)}) for words in (usual, every))


def english(rng: random.Random) -> str:
    usual, every = _english()
    return rng.choice(usual if rng.random() < 0.6 else every)


def letters(rng: random.Random) -> str:
    """A lower-case word that nobody ever wrote: letters in turn of two kinds, words cut and joined, or any letters."""
    while True:
        kind = rng.random()
        if kind < 0.35:
            made = "".join(rng.choice(VOWELS if (i + start) % 2 else CONSONANTS) for start in (rng.randrange(2),)
                           for i in range(rng.randint(3, 9)))
        elif kind < 0.8:
            a, b = english(rng), english(rng)
            made = a[: rng.randint(1, 6)] + b[-rng.randint(1, 6) :]
        elif kind < 0.9:
            made = english(rng) + english(rng)
        else:
            made = "".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 7)))
        if len(made) > 1 and not kept_back(made) and not kept_back(made.capitalize()):
            return made


def word(rng: random.Random) -> str:
    """A lower-case word, of English or not."""
    return english(rng) if rng.random() < 0.65 else letters(rng)


def _name(rng: random.Random, entries: list[str]) -> str:
    return rng.choice(entries) if rng.random() < 0.75 else word(rng).capitalize()


def first(rng: random.Random) -> str:
    return _name(rng, _faker()[0])


def last(rng: random.Random) -> str:
    return _name(rng, _faker()[1])


def place(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.6:
        return rng.choice(_faker()[2])
    if kind < 0.8:
        return f"{_name(rng, _faker()[1])} {english(rng).capitalize()}" if rng.random() < 0.5 else _name(rng, _faker()[0])
    return word(rng).capitalize()


def phrase(rng: random.Random, low: int = 1, high: int = 3) -> str:
    return " ".join(word(rng) for _ in range(rng.randint(low, high)))


def title(rng: random.Random) -> str:
    return " ".join(part.capitalize() if rng.random() < 0.8 else part for part in phrase(rng, 1, 4).split())


def identifier(rng: random.Random) -> str:
    """A name as programs have them: get_thing, thingOf, Thing-2, x_thing."""
    parts = [word(rng) for _ in range(rng.choice((1, 2, 2, 2, 3)))]
    kind = rng.random()
    if kind < 0.6:
        return "_".join(parts)
    if kind < 0.8:
        return parts[0] + "".join(part.capitalize() for part in parts[1:])
    if kind < 0.86:
        return "".join(part.capitalize() for part in parts)
    if kind < 0.92:
        return "-".join(parts)
    return "_".join(parts) + rng.choice(("_v2", "_2", "2", "_x", f"_{rng.randint(1, 99)}"))
