"""A conversation while it grows."""

from __future__ import annotations

import random
from typing import Any

from ..common import Check, Conversation, Message, assistant, call, tool_result, user
from .wording import PHRASES

SYSTEM = PHRASES["system"]
JSONish = dict[str, Any]


class Talk:
    """A conversation while it grows, with its checks."""

    def __init__(self, rng: random.Random, tools: list[JSONish], system: float = 0.12) -> None:
        self.messages: list[Message] = []
        self.tools = tools
        self.checks: list[Check] = []
        if rng.random() < system:
            self.messages.append({"role": "system", "content": rng.choice(SYSTEM)})

    def user(self, text: str) -> None:
        self.messages.append(user(text))

    def calls(self, *made: tuple[str, JSONish]) -> None:
        self.checks.append({"turn": len(self.messages), "kind": "tool", "calls": [{"name": name, "arguments": arguments} for name, arguments in made]})
        self.messages.append(call(*made))

    def results(self, *contents: str) -> None:
        self.messages.extend(tool_result(content) for content in contents)

    def says(self, text: str, contains: list[list[str]] | None = None, number: float | None = None, no_call: bool = False) -> None:
        if no_call:
            self.checks.append({"turn": len(self.messages), "kind": "tool", "calls": []})
        if contains:
            self.checks.append({"turn": len(self.messages), "kind": "contains", "all": contains})
        if number is not None:
            self.checks.append({"turn": len(self.messages), "kind": "number", "value": number})
        self.messages.append(assistant(text))

    def done(self) -> Conversation:
        return Conversation("tools", self.messages, self.tools, self.checks)
