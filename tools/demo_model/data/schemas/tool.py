"""What a tool is, what is offered of it, and a request for it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Param:
    keys: list[str]
    type: str
    kind: str
    description: str
    required: bool
    options: list[tuple[str, list[str]]] = field(default_factory=list)   # of an enum: value and its words

    @property
    def key(self) -> str:
        return self.keys[0]


@dataclass
class Tool:
    names: list[str]
    domain: str
    descriptions: list[str]
    params: list[Param]
    requests: list[str] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)
    answers: list[tuple[list[tuple[str, str]], str]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.names[0]

    def param(self, key: str) -> Param:
        return next(param for param in self.params if param.key == key)


@dataclass
class Offered:
    """A tool as it stands in one conversation."""

    tool: Tool
    name: str
    keys: dict[str, str]
    schema: dict[str, Any]

    def arguments(self, values: dict[str, Any]) -> dict[str, Any]:
        """The values under the names of the schema, in its order."""
        properties = self.schema["function"]["parameters"]["properties"]
        named = {self.keys[key]: value for key, value in values.items()}
        return {key: named[key] for key in properties if key in named}

    def label(self, key: str) -> str:
        return words_of(self.keys[key])


@dataclass
class Ask:
    """A request: its text, the values by canonical key, and the words the user said for each."""

    text: str
    values: dict[str, Any]
    words: dict[str, str]


def words_of(identifier: str) -> str:
    """`due_date` and `dueDate` as "due date"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", identifier).replace("_", " ").replace("-", " ").lower()


def upper_first(text: str) -> str:
    return text[:1].upper() + text[1:]
