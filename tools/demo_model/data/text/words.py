"""Exercises on a word or a sentence: letters counted, cases, backwards, spelt, rhymes, initials, small edits."""

from __future__ import annotations

import random
import string

from ..wording import listed
from .material import (
    RHYMES,
    WAYS,
    WORDS,
    Exercise,
    both,
    name,
    place_in,
    plural,
    quoted,
    random_string,
    sentence_of,
    spelled,
    word,
    words,
)


def count_letter(rng: random.Random, split: str) -> Exercise:
    w = word(rng, split)
    letter = rng.choice(w) if rng.random() < 0.85 else rng.choice("aeinorst")
    count = w.count(letter)
    forms = [f"{spelled(w)}: the letter {letter} occurs {plural(count, 'time')}.", f"{spelled(w)} has {plural(count, letter, joint=chr(39))}."]
    return Exercise(WAYS["count_letter"].ask(rng, split, l=letter if rng.random() < 0.8 else quoted(rng, letter), w=quoted(rng, w)), rng.choice(forms), [both(count)], [w])


def count_letters(rng: random.Random, split: str) -> Exercise:
    w = word(rng, split)
    return Exercise(WAYS["count_letters"].ask(rng, split, w=quoted(rng, w)), rng.choice((f"{spelled(w)} has {len(w)} letters.", f"{spelled(w)}: {len(w)} letters.")), [both(len(w))], [w])


def count_vowels(rng: random.Random, split: str) -> Exercise:
    w = word(rng, split)
    vowels = [letter for letter in w if letter in "aeiou"]
    return Exercise(WAYS["count_vowels"].ask(rng, split, w=quoted(rng, w)), f"The vowels in {w} are {listed(vowels)}: {len(vowels)}." if len(vowels) > 1 else f"{len(vowels)}.", [both(len(vowels))], [w])


def count_words(rng: random.Random, split: str) -> Exercise:
    s = sentence_of(rng, split) if rng.random() < 0.7 else " ".join(words(rng, split, rng.randint(2, 9)))
    count = len(s.split())
    return Exercise(WAYS["count_words"].ask(rng, split, s=quoted(rng, s)), rng.choice((f"{count} words.", f"It has {count} words.", f"{count}.", f"There are {count} words.")), [both(count)], [s])


def mixed_case(rng: random.Random, split: str) -> str:
    w = word(rng, split) if rng.random() < 0.6 else " ".join(words(rng, split, rng.randint(2, 4)))
    kind = rng.random()
    return w.upper() if kind < 0.4 else w.title() if kind < 0.8 else "".join(rng.choice((letter, letter.upper())) for letter in w)


def upper(rng: random.Random, split: str) -> Exercise:
    kind = rng.random()
    w = word(rng, split) if kind < 0.6 else name(rng, split) if kind < 0.7 else " ".join(words(rng, split, rng.randint(2, 4)))
    return Exercise(WAYS["upper"].ask(rng, split, w=quoted(rng, w)), w.upper(), [w.upper()], [w])


def lower(rng: random.Random, split: str) -> Exercise:
    w = mixed_case(rng, split)
    return Exercise(WAYS["lower"].ask(rng, split, w=quoted(rng, w)), w.lower(), [w.lower()], [w])


def title(rng: random.Random, split: str) -> Exercise:
    w = word(rng, split)
    return Exercise(WAYS["title"].ask(rng, split, w=quoted(rng, w)), w.capitalize(), [w], [w])


def reverse(rng: random.Random, split: str) -> Exercise:
    w = word(rng, split)
    while len(w) > 7:
        w = word(rng, split)
    if rng.random() < 0.1:
        w = str(rng.randrange(10, 100000))
    back = w[::-1]
    return Exercise(WAYS["reverse"].ask(rng, split, w=quoted(rng, w)), rng.choice((f"{back}", f"{spelled(back)}: {back}", f"{w} backwards is {back}.")), [back], [w])


def nth_word(rng: random.Random, split: str) -> Exercise:
    s = sentence_of(rng, split)
    entries = s.split()
    n, at = place_in(rng, len(entries))
    return Exercise(WAYS["nth_word"].ask(rng, split, s=quoted(rng, s), n=n), rng.choice((entries[at], entries[at], f"The {n} word is \"{entries[at]}\".")), [entries[at]], [s])


def nth_letter(rng: random.Random, split: str) -> Exercise:
    w = word(rng, split)
    n, at = place_in(rng, len(w))
    return Exercise(WAYS["nth_letter"].ask(rng, split, w=quoted(rng, w), n=n), rng.choice((f"{w[at]}", f"{spelled(w)}: the {n} letter is {w[at]}.", f"The {n} letter of {w} is {w[at]}.")), [w[at]], [w])


def repeat(rng: random.Random, split: str) -> Exercise:
    s = random_string(rng, split)
    return Exercise(WAYS["repeat"].ask(rng, split, s=s if rng.random() < 0.7 else f'"{s}"'), s, [s], [s])


def spell(rng: random.Random, split: str) -> Exercise:
    w = word(rng, split) if rng.random() < 0.75 else name(rng, split)
    return Exercise(WAYS["spell"].ask(rng, split, w=quoted(rng, w)), spelled(w), [[spelled(w), spelled(w, " "), spelled(w, ", "), spelled(w.upper())]], [w])


def rhyme(rng: random.Random, split: str) -> Exercise:
    if rng.random() < 0.15:
        first, second = rng.sample(RHYMES, 2)
        w, yes = rng.choice(first), rng.random() < 0.5
        v = rng.choice([other for other in (first if yes else second) if other != w])
        yes = any(w in group and v in group for group in RHYMES)
        return Exercise(WAYS["rhyme_check"].ask(rng, split, w=w, v=v), f"Yes, {w} and {v} rhyme." if yes else f"No, {w} and {v} do not rhyme.", [["yes"] if yes else ["no", "not"]], [w, v])
    group = rng.choice(RHYMES)
    w = rng.choice(group)
    good = [other for each in RHYMES if w in each for other in each if other != w]
    v = rng.choice(good)
    return Exercise(WAYS["rhyme"].ask(rng, split, w=quoted(rng, w)), rng.choice((f"{v.capitalize()} rhymes with {w}.", f"{v.capitalize()}.", f"{w.capitalize()} rhymes with {v}.")), [good], [w])


def starts(rng: random.Random, split: str) -> Exercise:
    if rng.random() < 0.25:
        w = word(rng, split)
        yes = rng.random() < 0.5
        letter = w[0] if yes else rng.choice([c for c in "abcdefghilmnoprstw" if c != w[0]])
        return Exercise(WAYS["starts_check"].ask(rng, split, w=w, l=letter), f"Yes, {w} starts with {letter}." if yes else f"No, {w} starts with {w[0]}.", [["yes"] if yes else ["no"]], [w])
    letter = rng.choice("abcdefghijklmnopqrstvwy")
    good = [entry for entry in WORDS if entry[0] == letter]
    return Exercise(WAYS["starts"].ask(rng, split, l=letter.upper() if rng.random() < 0.4 else letter), rng.choice(good).capitalize() + ".", [good], [])


def has_letter(rng: random.Random, split: str) -> Exercise:
    w = word(rng, split)
    yes = rng.random() < 0.55
    others = [c for c in "abcdefghiklmnoprstuvwyz" if c not in w]
    letter = rng.choice(w) if yes else rng.choice(others)
    return Exercise(WAYS["has_letter"].ask(rng, split, w=quoted(rng, w), l=letter), f"Yes, {spelled(w)} has the letter {letter}." if yes else f"No, there is no {letter} in {spelled(w)}.", [["yes"] if yes else ["no"]], [w])


def palindrome(rng: random.Random, split: str) -> Exercise:
    w = rng.choice(["level", "radar", "civic", "kayak", "rotor", "madam", "noon", "refer", "stats", "anna", "eve", "bob", "otto"]) if rng.random() < 0.5 else word(rng, split)
    yes = w == w[::-1]
    return Exercise(WAYS["palindrome"].ask(rng, split, w=quoted(rng, w)), f"Yes, {w} reads the same backwards." if yes else f"No, backwards it is {w[::-1]}.", [["yes"] if yes else ["no"]], [w])


def longer(rng: random.Random, split: str) -> Exercise:
    a, b = words(rng, split, 2)
    while len(a) == len(b):
        a, b = words(rng, split, 2)
    k = rng.choice(("longer", "longer", "shorter"))
    best = max((a, b), key=len) if k == "longer" else min((a, b), key=len)
    return Exercise(WAYS["longer"].ask(rng, split, a=a, b=b, k=k, m="more" if k == "longer" else "fewer"), f"{best.capitalize()} is {k}: {best} has {len(best)} letters, {b if best == a else a} has {len(b if best == a else a)}.", [best], [a, b])


def alpha_first(rng: random.Random, split: str) -> Exercise:
    a, b = words(rng, split, 2)
    best = min(a, b, key=str.lower)
    return Exercise(WAYS["alpha_first"].ask(rng, split, a=a, b=b), rng.choice((f"{best.capitalize()} comes first.", f"{best.capitalize()}.")), [best], [a, b])


def next_letter(rng: random.Random, split: str) -> Exercise:
    at = rng.randrange(1, 25)
    after = rng.random() < 0.6
    k = rng.choice(("after", "right after")) if after else rng.choice(("before", "right before"))
    letter, done = string.ascii_uppercase[at], string.ascii_uppercase[at + (1 if after else -1)]
    return Exercise(WAYS["next_letter"].ask(rng, split, k=k, l=letter), rng.choice((f"{done}.", f"{done} comes {k} {letter}.")), [done], [letter])


def acronym(rng: random.Random, split: str) -> Exercise:
    entries = words(rng, split, rng.randint(3, 5))
    s = " ".join(entry.title() if rng.random() < 0.7 else entry for entry in entries)
    done = "".join(entry[0].upper() for entry in entries)
    return Exercise(WAYS["acronym"].ask(rng, split, s=quoted(rng, s)), done, [done], [s])


def small_edit(rng: random.Random, split: str) -> Exercise:
    if rng.random() < 0.5:
        s = " ".join(words(rng, split, rng.randint(2, 4)))
        return Exercise(WAYS["gapless"].ask(rng, split, s=quoted(rng, s)), s.replace(" ", ""), [s.replace(" ", "")], [s])
    s = random_string(rng, split)
    return Exercise(WAYS["quote"].ask(rng, split, s=s), f'"{s}"', [s], [s])
