"""Questions about what is in a file or a folder."""

from __future__ import annotations

import json
import random

from .. import lexicons, schemas
from ..common import Conversation
from ..schemas import words_of
from .offering import offer_all
from .talk import Talk

SETTINGS = [("port", "int:1024-65535"), ("host", "host"), ("name", "made"), ("version", "version"), ("timeout", "int:1-300"), ("user", "username"), ("debug", "oneof:true/false"), ("color", "color"), ("language", "language"), ("max_size", "size"),
            ("author", "person"), ("date", "isodate"), ("city", "city"), ("email", "email"), ("url", "url"), ("level", "oneof:info/warning/debug/error"), ("workers", "int:1-64"), ("rate", "num:0-9"), ("token", "hex"), ("license", "oneof:MIT/Apache-2.0/GPL-3.0/BSD-3-Clause")]


def file_question(rng: random.Random, split: str) -> Conversation:
    """A question about what is in a file or a folder: call, then answer from the result."""
    reading = rng.random() < 0.6
    tool = schemas.BUILTIN["read_file" if reading else "list_files"]
    target = lexicons.value("path" if reading else "folder", rng, split)
    offered, tools = offer_all(rng, split, [(tool, {"path"})], avoid={"run_shell"})
    talk = Talk(rng, tools)
    if reading:
        settings = rng.sample(SETTINGS, rng.randint(2, 5))
        values = {key: lexicons.value(kind, rng, split) for key, kind in settings}
        key = rng.choice(list(values))
        label = words_of(key)
        template = rng.choice([f"which {label} is set in {target}?", f"what is the {label} in {target}?", f"look into {target} and tell me the {label}", f"read {target}. What is the {label}?", f"I need the {label} from {target}", f"{target}: what's the {label}?",
                               f"find out the {label} in the file {target}", f"what {label} does {target} have?", f"open {target} and find the {label}", f"check the {label} in {target}"])
        form = rng.randrange(5)
        content = "\n".join(f"{name} = {value}" for name, value in values.items()) if form == 0 else "\n".join(f"{name}: {value}" for name, value in values.items()) if form == 1 else json.dumps(values, ensure_ascii=False) if form == 2 else \
            "\n".join(f"{name}={value}" for name, value in values.items()) if form == 3 else "\n".join(f'{name} = "{value}"' if isinstance(value, str) else f"{name} = {value}" for name, value in values.items())
        text = rng.choice([f"The {label} is {values[key]}.", f"The {label} in {target} is {values[key]}.", f"{target} sets the {label} to {values[key]}.", f"It says that the {label} is {values[key]}."])
        contains = [[str(values[key])]]
        if rng.random() < 0.1:
            content, text, contains = "", rng.choice([f"{target} is empty.", "The file is empty."]), [["empty"]]
    else:
        names = lexicons.several("file", rng, split, 1, 6)
        form = rng.random()
        content = rng.choice(["\n", "\n", ", ", "  "]).join(names) if rng.random() < 0.6 else json.dumps(names if rng.random() < 0.6 else {"files": names})
        if form < 0.4:
            template = rng.choice([f"how many files are in {target}?", f"count the files in {target}", f"what is the number of files in {target}?", f"look into {target}. How many files are there?"])
            text = rng.choice([f"There {'is' if len(names) == 1 else 'are'} {len(names)} file{'' if len(names) == 1 else 's'} in {target}.", f"{target} has {len(names)} file{'' if len(names) == 1 else 's'}."])
            contains = [[str(len(names))]]
        elif form < 0.8:
            wanted = rng.choice(names) if rng.random() < 0.5 else lexicons.file(rng, split)
            template = rng.choice([f"is there a {wanted} in {target}?", f"does {target} contain {wanted}?", f"look in {target} if there is a file {wanted}", f"do I have {wanted} in {target}?", f"check whether {wanted} is in {target}"])
            there = wanted in names
            text = rng.choice([f"Yes, {wanted} is there.", f"Yes, {target} contains {wanted}."]) if there else rng.choice([f"No, there is no {wanted} in {target}.", f"No, {wanted} is not there."])
            contains = [["yes" if there else "no"]]
        else:
            template = rng.choice([f"what's in {target}?", f"list {target}", f"which files are in {target}?", f"show me what {target} holds"])
            text = rng.choice([f"{target} holds {lexicons.enumerate_words(names, random.Random(1))}.", f"There {'is' if len(names) == 1 else 'are'} {lexicons.enumerate_words(names, random.Random(1))}."])
            contains = [[name] for name in names]
            if rng.random() < 0.15:
                content, text, contains = rng.choice(["", "[]", "(empty)"]), rng.choice([f"{target} is empty.", "The folder is empty."]), [["empty"]]
    talk.user(schemas.dress(template, template if target != template[:len(target)] else "{path}", rng, {"path": target}))
    talk.calls((offered[0].name, offered[0].arguments({"path": target})))
    talk.results(content)
    talk.says(text, contains)
    return talk.done()
