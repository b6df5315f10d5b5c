"""What every topic module shares: the conversation, its checks, and which entries are kept back for evaluation."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
Message = dict[str, Any]
Check = dict[str, Any]

KNOWLEDGE = Path(__file__).resolve().parent.parent / "knowledge"
HELD_BACK_SHARE = 0.08


@dataclass
class Conversation:
    """One training or evaluation sample; the README beside this folder gives the form of each field."""

    topic: str
    messages: list[Message]
    tools: list[dict[str, Any]] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)


def kept_back(entry: object) -> bool:
    """Whether an entity or a combination is held out: the same answer in every process and on every machine."""
    key = entry if isinstance(entry, str) else json.dumps(entry, sort_keys=True, default=str)
    return zlib.crc32(key.encode()) % 1000 < HELD_BACK_SHARE * 1000


def held_out(split: str) -> bool:
    """Whether a split is measured, not trained on: "values" keeps back entities and combinations (and wordings, where
    nothing else can be), "heldout" whole tools and kinds of record as well."""
    return split != "train"


def pick(rng: random.Random, entries: Sequence[T], split: str) -> T:
    """An entry of a lexicon that this split may use. Raises ValueError when the split has none."""
    want = held_out(split)
    for _ in range(400):
        entry = rng.choice(entries)
        if kept_back(entry) == want:
            return entry
    usable = [entry for entry in entries if kept_back(entry) == want]
    if not usable:
        raise ValueError(f"no entry of this lexicon of {len(entries)} is in the split '{split}'")
    return rng.choice(usable)


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}


def call(*calls: tuple[str, dict[str, Any]], text: str = "") -> Message:
    """An assistant message that calls tools, each given as (name, arguments)."""
    made = [{"function": {"name": name, "arguments": arguments}} for name, arguments in calls]
    return {"role": "assistant", "content": text, "tool_calls": made}


def tool_result(content: str) -> Message:
    return {"role": "tool", "content": content}


def load_knowledge(name: str) -> Any:
    return json.loads((KNOWLEDGE / f"{name}.json").read_text())
