"""Small work on text: counting, cases, reversing, sorting, picking, repeating exactly, spelling, joining, rhymes, edits."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from ..common import Check, Conversation, assistant, user
from ..phrasing import wrap
from ..selftest import contains
from .lists import (
    add,
    count_items,
    extreme,
    in_list,
    join,
    longest,
    nth,
    remove,
    replace,
    reverse_list,
    sort_numbers,
    sort_words,
    unique,
)
from .material import WAYS, Exercise, both, spelled, word
from .words import (
    acronym,
    alpha_first,
    count_letter,
    count_letters,
    count_vowels,
    count_words,
    has_letter,
    longer,
    lower,
    next_letter,
    nth_letter,
    nth_word,
    palindrome,
    repeat,
    reverse,
    rhyme,
    small_edit,
    spell,
    starts,
    title,
    upper,
)

EXERCISES: list[tuple[float, Callable[[random.Random, str], Exercise]]] = [
    (5, count_letter), (4, count_letters), (2, count_vowels), (4, count_words), (3, count_items), (5, upper), (4, lower), (2, title),
    (6, reverse), (4, reverse_list), (6, sort_numbers), (5, sort_words), (7, nth), (5, nth_word), (4, nth_letter), (4, longest),
    (4, extreme), (16, repeat), (5, spell), (3, join), (4, remove), (2, add), (4, replace), (4, rhyme), (3, starts), (2, has_letter),
    (2, in_list), (1.5, palindrome), (2, longer), (2, alpha_first), (2, next_letter), (2, acronym), (3, unique), (2, small_edit)]
_WEIGHTS = [weight for weight, _ in EXERCISES]
_CUMULATIVE = [sum(_WEIGHTS[: index + 1]) for index in range(len(_WEIGHTS))]


def _then(rng: random.Random, split: str, w: str) -> tuple[str, str, list[Sequence[str] | str]]:
    kind = rng.choice(("upper", "reverse", "length", "last", "again"))
    question = WAYS[f"then_{kind}"].ask(rng, split)
    if kind == "upper":
        return question, w.upper(), [w.upper()]
    if kind == "reverse":
        return question, w[::-1], [w[::-1]]
    if kind == "length":
        return question, f"{spelled(w)} has {len(w)} letters.", [both(len(w))]
    if kind == "last":
        return question, f"The last letter is {w[-1]}.", [w[-1]]
    return question, w, [w]


def _check(turn: int, exercise: Exercise) -> Check:
    if isinstance(exercise.check, float):
        return {"turn": turn, "kind": "number", "value": exercise.check}
    return contains(turn, *exercise.check)


def generate(rng: random.Random, split: str) -> Conversation:
    made = Conversation("text", [])
    kind = rng.random()
    if kind < 0.12:
        w = word(rng, split)
        while len(w) > 7:
            w = word(rng, split)
        start = rng.choice(("repeat", "spell", "upper", "lower"))
        first = {"repeat": w, "spell": spelled(w), "upper": w.upper(), "lower": w}[start]
        said = w.title() if start == "lower" else w
        question = WAYS[start].ask(rng, split, s=said, w=said)
        made.messages += [user(wrap(rng, question, [said], 0.6)), assistant(first)]
        made.checks.append(contains(1, first))
        for _ in range(rng.choice((1, 1, 2))):
            question, answer, check = _then(rng, split, w)
            made.messages += [user(wrap(rng, question, (), 0.4)), assistant(answer)]
            made.checks.append(contains(len(made.messages) - 1, *check))
        return made
    turns = 1 if kind < 0.7 else 2 if kind < 0.88 else 3
    for _ in range(turns):
        exercise = rng.choices(EXERCISES, cum_weights=_CUMULATIVE)[0][1](rng, split)
        made.messages += [user(wrap(rng, exercise.question, exercise.keep, 0.7)), assistant(exercise.answer)]
        made.checks.append(_check(len(made.messages) - 1, exercise))
    if turns == 1 and rng.random() < 0.14:
        doing = rng.choice((count_letters, upper, reverse, spell))
        pair = [doing(rng, split), doing(rng, split)]
        second = pair[1].keep[0]
        made = Conversation("text", [user(wrap(rng, pair[0].question, pair[0].keep, 0.7)), assistant(pair[0].answer),
                                     user(WAYS["and_also"].ask(rng, split, w=second)), assistant(pair[1].answer)])
        made.checks = [_check(1, pair[0]), _check(3, pair[1])]
    return made
