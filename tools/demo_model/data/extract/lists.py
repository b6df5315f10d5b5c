"""Several records or values as a JSON array."""

from __future__ import annotations

import random
from typing import Any

from .. import lexicons
from ..common import Conversation, assistant, user
from ..schemas import words_of
from .domains import BY_SPLIT, sample, usable
from .instructions import compose, list_of_keys
from .records import check, dumps, named


def table(rng: random.Random, split: str) -> Conversation:
    """Rows to a JSON array of objects."""
    domain = rng.choice(usable(split)) if split == "train" or rng.random() < 0.6 else rng.choice(BY_SPLIT[split])
    flat = [one for one in domain.fields if one.type in ("str", "int", "num")]
    columns = rng.sample(flat, min(len(flat), rng.choice([2, 2, 3])))
    rows = [[sample(one, rng, split) for one in columns] for _ in range(rng.choice([2, 2, 3, 3, 4]))]
    style = "plain"
    taken: set[str] = set()
    names = [named(one, rng, style, taken) for one in columns]
    form = rng.randrange(5)
    labels = [words_of(one.key) for one in columns]
    if form == 0 and not any("," in words for row in rows for words, _ in row):
        text = ",".join(label.replace(" ", "_") for label in labels) + "\n" + "\n".join(",".join(words for words, _ in row) for row in rows)
    elif form == 1:
        text = "| " + " | ".join(labels) + " |\n" + "\n".join("| " + " | ".join(words for words, _ in row) + " |" for row in rows)
    elif form == 2:
        text = "\n".join("- " + ", ".join(f"{label} {words}" for label, (words, _) in zip(labels, row, strict=True)) for row in rows)
    elif form == 3:
        text = "\n".join("; ".join(f"{label}: {words}" for label, (words, _) in zip(labels, row, strict=True)) for row in rows)
    else:
        text = "\n".join(f"{number}. " + ", ".join(f"{label}={words}" for label, (words, _) in zip(labels, row, strict=True)) for number, row in enumerate(rows, 1))
    kept = columns if rng.random() < 0.75 else columns[:1] if len(columns) < 3 else columns[:2]
    value = [{name: row[columns.index(one)][1] for name, one in zip(names, columns, strict=True) if one in kept} for row in rows]
    keys = list_of_keys([name for name, one in zip(names, columns, strict=True) if one in kept], [one.type for one in kept], rng).strip()
    task = rng.choice(["Return a JSON array of objects with {k}", "Convert the rows to a JSON array, keys {k}", "Give me a JSON list of objects with {k}", "Make a JSON array with one object per line; keys: {k}", "Extract every entry as JSON: an array of objects with {k}",
                       "JSON array of objects with the keys {k}, please", "Turn this into a list of JSON objects with {k}", "One JSON array, each element an object with {k}"]).format(k=keys)
    return Conversation("extract", [user(compose(task, text, rng)), assistant(dumps(value))], [], [check(1, value)])


LISTS = [("city", "cities", ["I was in {x} last year.", "We fly to {x}.", "The tour goes through {x}.", "Offices in {x} are closed.", "From {x} came good news."]),
         ("name", "names", ["{x} came to the party.", "I had lunch with {x}.", "The team is {x}.", "Please invite {x}.", "{x} did not answer."]), ("ingredient", "ingredients", ["We need {x}.", "Buy {x}, please.", "The soup has {x} in it.", "Mix {x}."]),
         ("file", "files", ["I changed {x}.", "Please delete {x}.", "The tests touch {x}.", "Look at {x}."]), ("color", "colors", ["The flag is {x}.", "We have it in {x}.", "Paint it {x}."]), ("int:1-9999", "numbers", ["The numbers are {x}.", "I drew {x}.", "Results: {x}", "We measured {x}."]),
         ("num:0-90", "values", ["The values were {x}.", "Measured: {x}", "Prices of {x} were seen."]), ("email", "emails", ["Write to {x}.", "CC: {x}", "Reach us at {x}."]), ("product", "products", ["I ordered {x}.", "In the box: {x}.", "We sell {x}."]),
         ("language", "languages", ["She speaks {x}.", "The guide is available in {x}."]), ("animal", "animals", ["On the farm I saw a {x}.", "The zoo has a {x}."]), ("id", "ids", ["Close the tickets {x}.", "The parcels {x} are late.", "See {x}."]), ("word", "words", ["The words are {x}.", "Remember {x}."]),
         ("money", "amounts", ["I paid {x}.", "The bills were {x}."]), ("isodate", "dates", ["We meet on {x}.", "Free days: {x}"]), ("url", "urls", ["See {x}.", "The links: {x}"]), ("country", "countries", ["Players from {x} took part.", "It is sold in {x}."]), ("company", "companies", ["Shares of {x} rose.", "{x} sent offers."])]


def plain_list(rng: random.Random, split: str) -> Conversation:
    """A JSON array of strings or numbers, or an object with one list."""
    kind, label, texts = rng.choice(LISTS)
    items = lexicons.several(kind, rng, split, 2, 5)
    shown = [str(item) for item in items]
    if label == "animals":
        shown = [shown[0], *(f"a{'n' if item[0] in 'aeiou' else ''} {item}" for item in shown[1:])]
    text = rng.choice(texts).replace("{x}", lexicons.enumerate_words(shown, rng))
    text = text.replace(" a a", " an a").replace(" a o", " an o").replace(" a e", " an e").replace(" a i", " an i") if label == "animals" else text
    if rng.random() < 0.5:
        task = rng.choice([f"List the {label} as a JSON array", f"Return all {label} as a JSON array", f"Give me the {label} in a JSON list", f"Extract the {label}. Answer with a JSON array", f"JSON array of the {label}, please", f"Which {label} are mentioned? Answer as a JSON array",
                           f"Put every one of the {label} into a JSON array", f"{label} as JSON array", f"Find all {label} and return them as a JSON list"])
        value: Any = items
    else:
        key = label if rng.random() < 0.6 else rng.choice([f"all_{label}", f"{label}_list", "items", "found", lexicons.camel(f"all_{label}"), lexicons.syllables(rng)])
        task = rng.choice([f'Return {{"{key}": [...]}}', f'Give me JSON with the key "{key}" holding the list of {label}', f"JSON object with the {label} as a list under {key}", f'Extract the {label} as {{"{key}": [..]}}', f'Collect the {label} under the key "{key}" as JSON'])
        value = {key: items}
    return Conversation("extract", [user(compose(task, text, rng)), assistant(dumps(value))], [], [check(1, value)])
