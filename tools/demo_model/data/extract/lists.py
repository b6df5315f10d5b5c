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
from .wording import PHRASES


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


LISTS = [(*name.split()[1:], lines) for name, lines in PHRASES.items() if name.startswith("list ")]


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
