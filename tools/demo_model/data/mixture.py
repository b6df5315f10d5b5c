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
from .disguise import disguise
from .phrasing import reworded
from .schemas import never

SHARES = {
    "about": 10,
    "smalltalk": 9,
    "arithmetic": 11,
    "dates": 5,
    "units": 6,
    "facts": 8,
    "extract": 15,
    "tools": 26,
    "text": 12,
    "prose": 1,
}
DRILLS = {"copying": 7}  # trained, not evaluated
JOINED = 0.3  # of conversations are several topics one after another
ALONE = {"prose"}
OTHER_WORDS = {"about": 0.5, "smalltalk": 0.3, "facts": 0.15}  # how often its words are exchanged for others like them
FEWER_WORDS = {"about": 0.2, "smalltalk": 0.08}  # how often a question loses a short word, so that no single word decides
DISGUISED = {"tools": 0.45, "extract": 0.4}  # how often words that a request shares with a schema or a label are new
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


def topics(drills: bool = False) -> dict[str, Generate]:
    """The topics that are there, and on demand the drills."""
    found = {}
    for name in [*SHARES, *DRILLS] if drills else SHARES:
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
                total += 20 + sum(
                    len(key) + len(str(value)) + 20 for key, value in made["function"]["arguments"].items()
                )
        else:
            total += 0.1 * n
    return total


def fewer_words(rng: random.Random, conversation: Conversation) -> Conversation:
    """The conversation with one short word less in each question of five words or more."""
    messages = []
    for message in conversation.messages:
        words = message["content"].split(" ")
        short = [
            i
            for i, word in enumerate(words)
            if word.isalpha() and len(word) <= 5 and word.lower() not in ("not", "no")
        ]
        if message["role"] == "user" and len(words) >= 5 and short:
            del words[rng.choice(short)]
            message = {**message, "content": " ".join(words)}
        messages.append(message)
    return replace(conversation, messages=messages)


def other_words(rng: random.Random, conversation: Conversation) -> Conversation:
    """The conversation with some words of each question exchanged, but those that answers hold."""
    answered = {word.lower() for message in conversation.messages if message["role"] == "assistant"
                for word in message["content"].split()} if conversation.topic == "smalltalk" else set()
    rate = rng.choice((0.25, 0.5, 0.8))
    messages = [
        {**message, "content": " ".join(
            word if word.strip(".,?!").lower() in answered else reworded(rng, word, rate) for word in message["content"].split(" "))
            if answered else reworded(rng, message["content"], rate)}
        if message["role"] == "user" else message for message in conversation.messages
    ]  # fmt: skip
    return replace(conversation, messages=messages)


class Mixture:
    """An endless stream of conversations of one split."""

    def __init__(self, seed: int, split: str = "train", shares: dict[str, float] | None = None):
        self.rng = random.Random(seed)
        self.split = split
        self.generate = topics(drills=split == "train")
        shares = shares or SHARES | DRILLS
        self.shares = {name: share for name, share in shares.items() if name in self.generate and share > 0}
        self.mean_cost = dict.fromkeys(self.shares, 100.0)

    def one(self, among: set[str] | None = None) -> Conversation:
        """One conversation of one topic, topics drawn so that their costs come out in proportion to their shares."""
        names = [name for name in self.shares if among is None or name in among]
        weights = [self.shares[name] / self.mean_cost[name] for name in names]
        name = self.rng.choices(names, weights)[0]
        conversation = self.generate[name](self.rng, self.split)
        while any(never(tool["function"]["name"]) for tool in conversation.tools):
            conversation = self.generate[name](self.rng, self.split)
        if self.split == "train" and self.rng.random() < FEWER_WORDS.get(name, 0):
            conversation = fewer_words(self.rng, conversation)
        if self.split == "train" and self.rng.random() < OTHER_WORDS.get(name, 0):
            conversation = other_words(self.rng, conversation)
        if self.split == "train" and self.rng.random() < DISGUISED.get(name, 0):
            conversation = disguise(self.rng, conversation)
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
            part = self.one(
                BESIDE_TOOLS & set(self.shares)
                if first.tools
                else set(self.shares) - ALONE - {"tools", *DRILLS}
            )
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
