"""Tests the generator and prints samples."""

from __future__ import annotations

from ..selftest import holds, self_test
from ..templates import total_variants
from . import generate
from .intents import ALL
from .memory import MEMORIES

for intent in ALL:
    for text in intent.answers:
        assert not intent.check or holds({"kind": "contains", "all": intent.check}, text), (intent.name, text)
    print(f"{intent.name}: {len(intent.asks)} ways, {total_variants(intent.asks)} readings, {len(intent.answers)} answers")
self_test(generate)
print(f"{len(ALL)} intents, {sum(total_variants(intent.asks) for intent in ALL)} readings, {sum(len(intent.answers) for intent in ALL)} answers; "
      f"{len(MEMORIES)} kinds of memory with {sum(len(memory.tell) + len(memory.ask) for memory in MEMORIES)} ways")
