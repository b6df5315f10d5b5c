"""Exchanges words that a request shares with what it is to be matched with, alike in the whole conversation.

A tool is chosen and a key is filled by reading that the same word stands in two places. Where the word is new each time,
this cannot be replaced by knowing the word.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from . import wide
from .common import Conversation

_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
# Words of JSON schema and of the conversation's own form, words that mean something to the answer, and small words.
FIXED = frozenset("""
type string integer number boolean array object function name parameters properties required description enum items format
title default minimum text list role content user assistant system tool tools arguments true false null json yes no
the and for with this that you can could please have has from what which are not was were use when where who how all one
two three four five six seven eight nine ten eleven twelve its into only your his her our they them there then than out
off about given would will want need like also but any get let give tell missing value values key keys data use using
monday tuesday wednesday thursday friday saturday sunday january february march april may june july august september
october november december today tomorrow tonight now next week weekend day days hour hours minute minutes second seconds
month year celsius fahrenheit euro euros dollar dollars pound pounds degrees percent user answer write return
""".split())


def _words(text: str) -> list[str]:
    return [part.lower() for part in _PART.findall(text)]


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_mapped(one, change) for one in value]
    if isinstance(value, dict):
        return {change(key): _mapped(one, change) for key, one in value.items()}
    return value


def disguise(rng: random.Random, conversation: Conversation) -> Conversation:
    """The conversation with up to three shared words made new, as it was where there are none. Its checks are dropped."""
    said = Counter(word for m in conversation.messages if m["role"] == "user" for word in _words(m["content"]))
    if conversation.tools:
        shown = {word for tool in conversation.tools for word in _words(json.dumps(tool["function"]))}
        shared = [word for word in said if word in shown]
    else:
        found = set()
        for message in conversation.messages:
            if message["role"] == "assistant" and message["content"][:1] in "{[":
                found |= {word for key in re.findall(r'"([^"]+)": ', message["content"]) for word in _words(key)}
        shared = [word for word in said if said[word] > 1 and word in found]
    shared = sorted(word for word in shared if len(word) > 2 and word not in FIXED)
    if not shared:
        return conversation
    chosen = rng.sample(shared, min(len(shared), rng.choice((1, 2, 2, 3))))
    new = {word: wide.word(rng) for word in chosen}

    def part(found: re.Match[str]) -> str:
        old = found[0]
        made = new.get(old.lower())
        if made is None:
            return old
        return made if old.islower() else made.capitalize() if old[1:].islower() else made.upper()

    def change(text: str) -> str:
        return text if text in FIXED else _PART.sub(part, text)

    messages = [
        {key: value if key == "role" else _mapped(value, change) for key, value in message.items()}
        for message in conversation.messages
    ]
    return replace(conversation, messages=messages, tools=_mapped(conversation.tools, change), checks=[])
