"""Exercises on a list: counted, sorted, picked from, joined, changed."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..wording import listed
from .material import WAYS, Exercise, both, name, numbers, place_in, quoted, sentence_of, shown, word, words


def count_items(rng: random.Random, split: str) -> Exercise:
    entries: Sequence[object] = words(rng, split, rng.randint(2, 9)) if rng.random() < 0.7 else numbers(rng, rng.randint(2, 9))
    s = shown(rng, entries)
    count = len(entries)
    return Exercise(WAYS["count_items"].ask(rng, split, s=s), rng.choice((f"{count} items.", f"There are {count}.", f"{count}.")), [both(count)], [s])


def reverse_list(rng: random.Random, split: str) -> Exercise:
    entries = [str(entry) for entry in (words(rng, split, rng.randint(3, 6)) if rng.random() < 0.6 else numbers(rng, rng.randint(3, 7)))]
    s = shown(rng, entries)
    back = ", ".join(entries[::-1])
    return Exercise(WAYS["reverse_list"].ask(rng, split, s=s), back, [[back]], [s])


def sort_numbers(rng: random.Random, split: str) -> Exercise:
    down = rng.random() < 0.35
    entries = numbers(rng, rng.randint(3, 7))
    s = shown(rng, entries)
    done = ", ".join(map(str, sorted(entries, reverse=down)))
    return Exercise(WAYS["sort_down" if down else "sort_up"].ask(rng, split, s=s), done, [[done]], [s])


def sort_words(rng: random.Random, split: str) -> Exercise:
    entries = words(rng, split, rng.randint(3, 6))
    s = shown(rng, entries)
    done = ", ".join(sorted(entries, key=str.lower))
    return Exercise(WAYS["sort_words"].ask(rng, split, s=s), done, [[done]], [s])


def nth(rng: random.Random, split: str) -> Exercise:
    entries = [str(entry) for entry in (words(rng, split, rng.randint(3, 8)) if rng.random() < 0.7 else numbers(rng, rng.randint(3, 8)))]
    s = shown(rng, entries)
    n, at = place_in(rng, len(entries))
    return Exercise(WAYS["nth"].ask(rng, split, s=s, n=n), rng.choice((entries[at], entries[at], f"The {n} is {entries[at]}.")), [entries[at]], [s])


def longest(rng: random.Random, split: str) -> Exercise:
    for _ in range(50):
        entries = words(rng, split, rng.randint(3, 5))
        k = rng.choice(("longest", "longest", "shortest"))
        sizes = sorted((len(entry) for entry in entries), reverse=k == "longest")
        if sizes[0] != sizes[1]:
            break
    best = next(entry for entry in entries if len(entry) == sizes[0])
    s = shown(rng, entries)
    return Exercise(WAYS["longest"].ask(rng, split, s=s, k=k, m="most" if k == "longest" else "fewest"), rng.choice((best, f"{best}, with {len(best)} letters.", f"The {k} word is {best}.")), [best], [s])


def extreme(rng: random.Random, split: str) -> Exercise:
    entries = numbers(rng, rng.randint(3, 7))
    big = rng.random() < 0.5
    k = rng.choice(("largest", "biggest", "highest", "greatest", "maximum") if big else ("smallest", "lowest", "least", "minimum"))
    best = max(entries) if big else min(entries)
    s = shown(rng, entries)
    return Exercise(WAYS["extreme"].ask(rng, split, s=s, k=k, f="max" if big else "min"), rng.choice((f"{best}", f"The {k} is {best}.", f"{best}.")), float(best), [s])


def join(rng: random.Random, split: str) -> Exercise:
    entries = words(rng, split, rng.randint(2, 5))
    j, jn = rng.choice((("-", "hyphen"), ("-", "dash"), ("_", "underscore"), ("/", "slash"), ("+", "plus"), ("+", "plus sign"), (":", "colon"), (".", "dot"), ("|", "vertical bar")))
    s = listed(entries) if rng.random() < 0.4 else ", ".join(entries)
    done = j.join(entries)
    return Exercise(WAYS["join"].ask(rng, split, s=s, j=quoted(rng, j) if rng.random() < 0.5 else j, jn=jn), done, [done], [s, jn])


def remove(rng: random.Random, split: str) -> Exercise:
    entries = [str(entry) for entry in (words(rng, split, rng.randint(3, 6)) if rng.random() < 0.75 else numbers(rng, rng.randint(3, 6)))]
    x = rng.choice(entries)
    s = shown(rng, entries)
    done = ", ".join(entry for entry in entries if entry != x)
    return Exercise(WAYS["remove"].ask(rng, split, s=s, x=x), done, [done], [s, x])


def add(rng: random.Random, split: str) -> Exercise:
    *entries, x = words(rng, split, rng.randint(3, 6))
    s = ", ".join(entries)
    done = ", ".join([*entries, x])
    return Exercise(WAYS["add"].ask(rng, split, s=s, x=x), done, [done], [s, x])


def replace(rng: random.Random, split: str) -> Exercise:
    s = sentence_of(rng, split)
    a = rng.choice([entry for entry in s.split() if len(entry) > 2])
    b = word(rng, split) if not a[0].isupper() or a == s.split()[0] else name(rng, split)
    done = " ".join(b if entry == a else entry for entry in s.split())
    done = done[:1].upper() + done[1:] if s[0].isupper() else done
    return Exercise(WAYS["replace"].ask(rng, split, s=s, a=a, b=b), done, [done], [s, a, b])


def in_list(rng: random.Random, split: str) -> Exercise:
    *entries, extra = words(rng, split, rng.randint(4, 7))
    yes = rng.random() < 0.5
    x = rng.choice(entries) if yes else extra
    s = shown(rng, entries)
    return Exercise(WAYS["in_list"].ask(rng, split, s=s, x=x), f"Yes, {x} is in the list." if yes else f"No, {x} is not in the list.", [["yes"] if yes else ["no"]], [s, x])


def unique(rng: random.Random, split: str) -> Exercise:
    entries = [str(entry) for entry in (words(rng, split, rng.randint(3, 5)) if rng.random() < 0.6 else numbers(rng, rng.randint(3, 6)))]
    twice = rng.choice(entries)
    full = list(entries)
    full.insert(rng.randint(entries.index(twice) + 1, len(entries)), twice)
    s = shown(rng, full)
    if rng.random() < 0.35:
        return Exercise(WAYS["doubled"].ask(rng, split, s=s), rng.choice((f"{twice}", f"{twice.capitalize()} occurs twice.")), [twice], [s])
    done = ", ".join(entries)
    return Exercise(WAYS["unique"].ask(rng, split, s=s), done, [done], [s])
