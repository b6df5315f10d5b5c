"""Words, names, lists, sentences and strings without sense to work on, and how they are shown."""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from .. import wide
from ..common import held_out, kept_back, pick
from ..copying import lexicon
from ..templates import banks, expand
from ..textfiles import entries, sections
from ..wording import listed


@dataclass
class Exercise:
    """A question, its answers, what an answer must hold, and what of the question stays letter for letter."""

    question: str
    answer: str
    check: list[Sequence[str] | str] | float
    keep: list[str] = field(default_factory=list)


HERE = Path(__file__).parent
WAYS = banks(HERE / "phrases.txt")
_WORDS = entries(HERE / "words.txt")
WORDS, NAMES, PARTS, ORDINALS = (_WORDS[name] for name in ("words", "names", "syllables", "ordinals"))
_ADJECTIVES, _NOUNS, _PLACES = (_WORDS[name] for name in ("adjectives", "nouns", "places"))
RHYMES = [group.split() for group in sections(HERE / "rhymes.txt")["rhymes"]]


@cache
def _lexicon_words() -> list[str]:
    return [word for word in lexicon() if len(word) <= 10]


def word(rng: random.Random, split: str) -> str:
    source = rng.random()
    if split == "train" and source < 0.6:  # the letters of any word, not of those in the lists
        return next(made for _ in iter(int, 1) if len(made := wide.word(rng)) <= 12)
    if source < 0.78:
        return pick(rng, _lexicon_words(), split)
    if rng.random() < 0.12:
        for _ in range(200):
            made = "".join(rng.choice(PARTS) for _ in range(rng.choice((2, 2, 3))))
            if kept_back(made) == held_out(split):
                return made
    return pick(rng, WORDS, split)


def name(rng: random.Random, split: str) -> str:
    if split == "train" and rng.random() < 0.5:
        return next(made for _ in iter(int, 1) if (made := wide.first(rng)).isascii() and made.isalpha())
    return pick(rng, NAMES, split)


def words(rng: random.Random, split: str, count: int) -> list[str]:
    """Different entries for a list; only a list with a kept-back entry is used for evaluation."""
    source = rng.random()
    chosen: list[str] = []
    for _ in range(100):
        if len(chosen) == count:
            break
        entry = name(rng, split) if source < 0.25 else word(rng, split) if len(chosen) < 2 or split == "train" else rng.choice(WORDS)
        if entry not in chosen and (held_out(split) or not kept_back(entry)):
            chosen.append(entry)
    rng.shuffle(chosen)
    return chosen


def numbers(rng: random.Random, count: int) -> list[int]:
    top = rng.choice((10, 20, 50, 100, 100, 1000))
    return rng.sample(range(1 if rng.random() < 0.85 else -9, max(top, count + 2)), count)


def random_string(rng: random.Random, split: str) -> str:
    """Something without sense that can only be copied."""
    any_word = (lambda: wide.word(rng)) if split == "train" else (lambda: rng.choice(WORDS))
    for _ in range(200):
        kind = rng.randrange(17)
        if kind == 0:
            made = "".join(rng.choices(string.ascii_lowercase + string.digits, k=rng.randint(4, 12)))
        elif kind == 1:
            made = "".join(rng.choices(string.ascii_uppercase + string.digits, k=rng.randint(4, 10)))
        elif kind == 2:
            made = "-".join("".join(rng.choices(string.ascii_uppercase + string.digits, k=rng.randint(2, 5)))
                            for _ in range(rng.randint(2, 4)))
        elif kind == 3:
            made = any_word() + rng.choice("._-") + any_word() + rng.choice(
                (".txt", ".py", ".md", ".json", ".csv", ".log", ".png", ".toml", ".c", ".h", ".pdf", ".yaml", ".sh", ".tar.gz"))
        elif kind == 4:
            made = rng.choice(("README.md", "LICENSE", "Makefile", "CMakeLists.txt", "pyproject.toml", "main.py", "setup.cfg",
                               "Dockerfile", "index.html", "config.json", "tokenizer.json", "model.safetensors", "notes.txt"))
            made = rng.choice(("", "docs/", "src/", "./", "~/", "/tmp/", "../", "/home/" + rng.choice(WORDS) + "/")) + made
        elif kind == 5:
            made = rng.choice(NAMES).lower() + rng.choice(("", ".", "_")) + any_word() + "@" + any_word() + rng.choice(
                (".com", ".org", ".net", ".de", ".io", ".co.uk"))
        elif kind == 6:
            made = str(rng.randrange(10 ** rng.randint(3, 12)))
        elif kind == 7:
            made = f"{rng.randrange(1000)}.{rng.randrange(1000)}"
        elif kind == 8:
            made = "https://" + rng.choice(("www.", "", "docs.")) + any_word() + rng.choice((".com", ".org", ".dev")) + rng.choice(
                ("", "/" + rng.choice(WORDS), f"/{rng.choice(WORDS)}?id={rng.randrange(1000)}"))
        elif kind == 9:
            made = "".join(rng.choice(PARTS) for _ in range(rng.randint(2, 5)))
        elif kind == 10:
            made = " ".join("".join(rng.choice(PARTS) for _ in range(rng.randint(1, 3))) for _ in range(rng.randint(2, 5)))
        elif kind == 11:
            made = sentence_of(rng, split)
        elif kind == 12:
            made = " ".join(any_word() for _ in range(rng.randint(2, 7)))
        elif kind == 13:
            made = f"+{rng.randint(1, 99)} {rng.randint(100, 999)} {rng.randint(1000, 9999)}{rng.randint(10, 999)}"
        elif kind == 14:
            made = f"{rng.randint(1990, 2030)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
        elif kind == 15:
            made = rng.choice(NAMES) + " " + rng.choice(PARTS).title() + rng.choice(PARTS) + rng.choice(PARTS)
        else:
            made = "".join(rng.choices(string.ascii_letters + string.digits + "#$%&*+=?!_", k=rng.randint(4, 9)))
        if kept_back(made) == held_out(split) and made[-1] not in " .?!":
            return made
    return "xk7-" + str(rng.randrange(1000))


SENTENCES = (
    "{name} [bought|sold|found|lost|carried|painted|cleaned|hid] [a|the|one] {adjective} {noun} [yesterday|today|in {month}|at the {place}|last week|again]",
    "[the|a|every] {adjective} {noun} [is|was|stands|stood] [in|near|behind|under] the {place}",
    "{name} and {other} [walk|run|drive|went|travelled] to the {place} [together|at noon|every day|by bus]",
    "[please bring|do not forget|we need|I like] the {adjective} {noun}",
    "[my|our|her|his] {noun} is [very|quite|not|almost] {adjective}",
    "[when|while|because] {name} sleeps the {noun} [waits|rests|shines]",
    "the {noun} [and|or] the {thing} [are|were] in the {place}",
    "{name} [reads|writes|tells|knows] a story about a {noun} and a {thing}",
)


def sentence_of(rng: random.Random, split: str) -> str:
    def one(entries: Sequence[str]) -> str:
        return wide.word(rng) if split == "train" and rng.random() < 0.4 else rng.choice(entries)

    made = expand(rng, rng.choice(SENTENCES), name=name(rng, split), other=rng.choice(NAMES), adjective=one(_ADJECTIVES),
                  noun=one(_NOUNS), thing=one(_NOUNS), place=one(_PLACES), month=rng.choice(("May", "June", "autumn")))
    return made[:1].upper() + made[1:] if rng.random() < 0.7 else made


def shown(rng: random.Random, entries: Sequence[object]) -> str:
    """A list as people write it."""
    texts = [str(entry) for entry in entries]
    kind = rng.random()
    if kind < 0.55:
        return ", ".join(texts)
    if kind < 0.68:
        return listed(texts)
    if kind < 0.76:
        return " ".join(texts)
    if kind < 0.82:
        return "[" + ", ".join(texts) + "]"
    if kind < 0.87:
        return "; ".join(texts)
    if kind < 0.91:
        return ",".join(texts)
    if kind < 0.94:
        return "(" + ", ".join(texts) + ")"
    bullet = rng.choice(("- ", "", "* "))
    return "\n" + "\n".join(bullet + text for text in texts)


def quoted(rng: random.Random, text: str) -> str:
    kind = rng.random()
    return f'"{text}"' if kind < 0.4 else f"'{text}'" if kind < 0.55 else f"`{text}`" if kind < 0.6 else text


def spelled(text: str, joint: str = "-") -> str:
    return joint.join(text)


COUNT_WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen"]


def both(count: int) -> list[str]:
    """A number in digits and in words."""
    return [str(count), COUNT_WORDS[count]] if count < len(COUNT_WORDS) else [str(count)]


def plural(count: int, thing: str, joint: str = "") -> str:
    return f"{count} {thing}" + ("" if count == 1 else joint + "s")


def place_in(rng: random.Random, length: int) -> tuple[str, int]:
    kind = rng.random()
    if kind < 0.28:
        return "last", length - 1
    if kind < 0.36 and length > 2:
        return rng.choice(("second to last", "next to last", "last but one")), length - 2
    at = rng.randrange(min(length, 7))
    if kind < 0.5:
        at = 0
    return (ORDINALS[at] if rng.random() < 0.85 else f"{at + 1}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(at + 1, 'th') }"), at
