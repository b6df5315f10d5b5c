"""The facts of `knowledge/facts.json`: each relation asked forwards, backwards, as yes or no, as a choice, in pairs and as
a follow-up; each single fact in the words of `phrases.txt`. Every fact is taught; what is kept back is its
combination with a way to ask."""

from __future__ import annotations

import random
import re
from functools import cache

from ..common import Conversation, assistant, held_out, kept_back, user
from ..phrasing import wrap
from ..selftest import contains
from ..templates import Bank, expand
from ..wording import tidy
from .relations import ACROSS, NOT_CAPITAL, RELATIONS, Entry, load


def _bare(x: str) -> str:
    return x[4:] if x.startswith("the ") else x


@cache
def _misc_bank(name: str) -> Bank | None:
    ways = load()[3][name]
    return Bank(name, ways) if len(ways) > 1 else None


_PLURALS = {"mouse": "mice", "wolf": "wolves", "sheep": "sheep", "fly": "flies", "butterfly": "butterflies", "ostrich": "ostriches", "goose": "geese", "fox": "foxes"}
_ANIMALS = frozenset(["young_of", "sound_of", "legs_of", "class_of"])
_WIDESPREAD = frozenset(["English", "French", "Spanish", "Russian", "German", "Arabic", "Portuguese", "Chinese", "Turkish"])


def _forms(relation: str, x: str) -> list[str]:
    """How an answer may write a subject."""
    forms = [x, _bare(x), re.sub(r"^(?:a|an|the) ", "", x)]
    return [*forms, _PLURALS.get(x, x + "s")] if relation in _ANIMALS else forms


def _cased(text: str) -> str:
    return text[:1].upper() + text[1:]


def _fill(rng: random.Random, way: str, x: str, y: str = "", z: str = "", u: str = "") -> str:
    quote = rng.random()
    q = f'"{x}"' if quote < 0.3 else f"'{x}'" if quote < 0.4 else x
    made = tidy(expand(rng, way, x=x, X=_cased(x), b=_bare(x), y=y, Y=_cased(y), z=z, u=u, q=q))
    made = re.sub(r"\b([Aa]) (?=[aeiouAEIO])", r"\1n ", made)
    made = made.replace("yramids of Giza is ", "yramids of Giza are ").replace("Is the pyramids", "Are the pyramids").replace("is the pyramids", "are the pyramids")
    return _WRONG_PLURAL.sub(lambda found: _MENDED[found[0].lower()] if found[0].islower() else _MENDED[found[0].lower()].title(), made)


_MENDED = {one + "s": many for one, many in _PLURALS.items()}
_WRONG_PLURAL = re.compile(rf"\b(?:{'|'.join(_MENDED)})\b", re.I)


def _answer(rng: random.Random, ways: tuple[str, ...], x: str, y: str) -> str:
    made = _fill(rng, rng.choice(ways), x, y)
    if made.endswith(".."):
        made = made[:-1]
    return made if made.startswith("flashmoe") else _cased(made)


def _good(entry: Entry) -> list[str]:
    return [entry[1], *entry[2]]


def _other(rng: random.Random, name: str, entry: Entry) -> str | None:
    """A wrong answer of the same kind."""
    entries = load()[0][name]
    if name == "capital_of" and entry[0] in NOT_CAPITAL and rng.random() < 0.6:
        return rng.choice(NOT_CAPITAL[entry[0]])
    for _ in range(20):
        other = rng.choice(entries)
        if name == "language_of" and other[1] in _WIDESPREAD:
            continue
        if other[1] not in _good(entry) and entry[1] not in other[2] and not set(other[2]) & set(_good(entry)):
            return other[1]
    return None


_NAMES = list(RELATIONS)
_SUMS = [sum(RELATIONS[name].weight for name in _NAMES[: index + 1]) for index in range(len(_NAMES))]


def _choose(rng: random.Random, split: str, name: str, kind: str) -> tuple[Entry, str]:
    """A fact and a way to ask for it that are together in this split."""
    entries, banks = load()[0][name], load()[1][name][kind]
    want = held_out(split)
    for _ in range(300):
        entry, way = rng.choice(entries), rng.choice(banks)
        if kept_back(f"{name}/{entry[0]}/{way}") == want:
            return entry, way
    return entry, way


def _single(rng: random.Random, split: str, name: str) -> tuple[str, str, list[list[str]], Entry]:
    how = RELATIONS[name]
    entries, banks, _, _ = load()
    kinds = ["ask"] * 10 + [kind for kind, count in (("back", 4), ("yes_no", 3), ("choice", 2), ("pair", 1)) if banks[name][kind] for _ in range(count)]
    kind = rng.choice(kinds)
    entry, way = _choose(rng, split, name, kind)
    x, y, _ = entry
    good = _good(entry)
    if kind == "ask":
        return _fill(rng, way, x, y), _answer(rng, how.answers, x, y), [good], entry
    if kind == "back":
        said = rng.choice(good) if name in ("author_of", "composer_of", "painter_of") else y
        fits = [other for other in entries[name] if y in _good(other)]
        hit = rng.choice(fits)
        names = {form for other in fits for form in _forms(name, other[0])}
        return _fill(rng, way, x, said), _answer(rng, how.back_answers, hit[0], y), [sorted(names)], entry
    if kind == "yes_no":
        wrong = _other(rng, name, entry)
        if wrong is None or rng.random() < 0.5:
            return _fill(rng, way, x, y), "Yes, " + _fill(rng, how.claim, x, y) + ".", [["yes"]], entry
        return _fill(rng, way, x, wrong), "No, " + _fill(rng, how.claim, x, y) + ".", [["no", "not"]], entry
    if kind == "choice":
        wrong = _other(rng, name, entry)
        if wrong is not None:
            first, second = (y, wrong) if rng.random() < 0.5 else (wrong, y)
            return _fill(rng, way, x, first, second), _answer(rng, how.answers, x, y), [good], entry
        return _fill(rng, how.ask[0], x, y), _answer(rng, how.answers, x, y), [good], entry
    second = rng.choice(entries[name])
    while second[0] == x:
        second = rng.choice(entries[name])
    both = _cased(_fill(rng, how.claim, x, y)) + ", and " + _fill(rng, how.claim, second[0], second[1]) + "."
    return _fill(rng, way, x, u=second[0]), both, [good, _good(second)], entry


def _misc(rng: random.Random, split: str) -> tuple[str, str, list[list[str]]]:
    entry = rng.choice(load()[2])
    bank = _misc_bank(entry["id"])
    question = tidy(expand(rng, bank.pick(rng, split) if bank else entry["question"]))
    return question, entry["answer"], entry["must"]


def generate(rng: random.Random, split: str) -> Conversation:
    made = Conversation("facts", [])

    def add(question: str, answer: str, must: list[list[str]], keep: tuple[str, ...] = (), amount: float = 1.0) -> None:
        made.messages.extend([user(wrap(rng, question, keep, amount)), assistant(answer)])
        made.checks.append(contains(len(made.messages) - 1, *must))

    turns = rng.choices((1, 2, 3), (70, 22, 8))[0]
    while len(made.checks) < turns:
        if rng.random() < 0.33:
            add(*_misc(rng, split))
            continue
        name = rng.choices(_NAMES, cum_weights=_SUMS)[0]
        question, answer, must, entry = _single(rng, split, name)
        add(question, answer, must, (entry[0],) if RELATIONS[name].words else ())
        entries, banks, _, _ = load()
        while len(made.checks) < turns + 1 and rng.random() < 0.22:
            following = name in ("capital_of", "continent_of", "currency_of", "language_of") and rng.random() < 0.35
            if following:
                known = [(other, fact) for other in ACROSS if other != name for fact in entries[other] if fact[0] == entry[0]]
                if known:
                    name, entry = rng.choice(known)
                    add(tidy(expand(rng, rng.choice(ACROSS[name]))), _answer(rng, RELATIONS[name].answers, entry[0], entry[1]), [_good(entry)], (), 0.4)
                    continue
            if made.checks[-1]["all"] in ([["yes"]], [["no", "not"]]) or question.startswith(("Name a", "Name an")):
                break
            entry, way = _choose(rng, split, name, "follow")
            add(_fill(rng, way, entry[0], entry[1]), _answer(rng, RELATIONS[name].answers, entry[0], entry[1]), [_good(entry)], (entry[0],) if RELATIONS[name].words else (), 0.3)
    return made
