"""Conversations as the model is trained on them: topics by their share, some joined into chats of several topics.

    for conversation in Mixture(seed=1): ...

A topic's share is of the loss: its answers count in full and everything else a tenth. Topics whose module is missing
are left out. The same seed gives the same conversations.
"""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable, Iterator
from dataclasses import replace

from .common import Conversation

SHARES = {
    "about": 12,
    "smalltalk": 8,
    "arithmetic": 14,
    "dates": 8,
    "units": 8,
    "facts": 12,
    "extract": 12,
    "tools": 20,
    "text": 4,
    "prose": 2,
}
JOINED = 0.3  # of conversations are several topics one after another
ALONE = {"prose"}
# Joined with a conversation that has tools: only what no tool could be meant for.
BESIDE_TOOLS = {"about", "smalltalk"}
WITH_SYSTEM = 0.25
SYSTEM = [
    "You are a helpful assistant.",
    "You are a helpful assistant. Answer briefly.",
    "You are a friendly assistant.",
    "You are a concise assistant.",
    "Answer in one or two sentences.",
    "Be brief and plain.",
    "Keep your answers short.",
    "You are a small language model that runs on a laptop.",
    "You are the demonstration model of flashmoe.",
    "You are flashmoe's demo model. Answer in plain English.",
    "You are a helpful AI assistant running locally.",
    "You are an assistant. Be accurate and say when you do not know.",
    "Answer the user's questions truthfully and briefly.",
    "You help users with short questions.",
    "Please be helpful, honest and short.",
    "You are a polite assistant who gives short answers.",
    "The user is chatting with you in a terminal.",
    "You are a general assistant.",
    "You are a helpful assistant. If you do not know something, say so.",
    "Respond in English.",
]

Generate = Callable[[random.Random, str], Conversation]


def topics() -> dict[str, Generate]:
    """The topics that are there."""
    found = {}
    for name in SHARES:
        try:
            found[name] = importlib.import_module(f"{__package__}.{name}").generate
        except ModuleNotFoundError as error:
            if error.name != f"{__package__}.{name}":
                raise
    return found


def cost(conversation: Conversation) -> float:
    """What a conversation takes of its topic's share: characters of answers, and a tenth of the rest."""
    total = 0.02 * len(str(conversation.tools)) if conversation.tools else 0.0
    for message in conversation.messages:
        n = len(message.get("content") or "")
        if message["role"] == "assistant":
            total += n + 4
            for made in message.get("tool_calls", ()):
                total += 20 + sum(len(key) + len(str(value)) + 20 for key, value in made["function"]["arguments"].items())
        else:
            total += 0.1 * n
    return total


class Mixture:
    """An endless stream of conversations of one split."""

    def __init__(self, seed: int, split: str = "train", shares: dict[str, float] | None = None):
        self.rng = random.Random(seed)
        self.split = split
        self.generate = topics()
        shares = shares or SHARES
        self.shares = {name: share for name, share in shares.items() if name in self.generate and share > 0}
        self.mean_cost = dict.fromkeys(self.shares, 100.0)

    def one(self, among: set[str] | None = None) -> Conversation:
        """One conversation of one topic, topics drawn so that their costs come out in proportion to their shares."""
        names = [name for name in self.shares if among is None or name in among]
        weights = [self.shares[name] / self.mean_cost[name] for name in names]
        name = self.rng.choices(names, weights)[0]
        conversation = self.generate[name](self.rng, self.split)
        self.mean_cost[name] += 0.02 * (cost(conversation) - self.mean_cost[name])
        return conversation

    def conversation(self) -> Conversation:
        """The next conversation: of one topic or several, with or without a system message."""
        rng = self.rng
        whole = self.one()
        if rng.random() < JOINED and whole.topic not in ALONE:
            whole = self._join(whole, rng.choices((1, 2, 3), (5, 3, 2))[0])
        if whole.messages[0]["role"] != "system" and whole.topic not in ALONE and rng.random() < WITH_SYSTEM:
            system = {"role": "system", "content": rng.choice(SYSTEM)}
            checks = [{**check, "turn": check["turn"] + 1} for check in whole.checks]
            whole = replace(whole, messages=[system, *whole.messages], checks=checks)
        return whole

    def _join(self, first: Conversation, more: int) -> Conversation:
        parts = [first]
        for _ in range(more):
            part = self.one(BESIDE_TOOLS & set(self.shares) if first.tools else set(self.shares) - ALONE - {"tools"})
            if part.tools or part.messages[0]["role"] == "system":
                continue
            # A conversation with tools may come before or after small talk, unless it opens with a system message.
            front = first.tools and first.messages[0]["role"] != "system" and self.rng.random() < 0.5
            parts.insert(0, part) if front else parts.append(part)
        messages, checks = [], []
        for part in parts:
            checks += [{**check, "turn": check["turn"] + len(messages)} for check in part.checks]
            messages += part.messages
        return replace(first, messages=messages, checks=checks)

    def __iter__(self) -> Iterator[Conversation]:
        while True:
            yield self.conversation()
