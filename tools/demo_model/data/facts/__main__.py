"""Tests the generator and prints samples."""

from __future__ import annotations

from ..selftest import self_test
from ..templates import total_variants
from . import generate
from .relations import _load

self_test(generate)
facts, every, singles, own = _load()
for key, kinds in every.items():
    print(f"{key}: {len(facts[key])} facts, " + ", ".join(f"{kind} {len(ways)} ways {total_variants(ways)} readings" for kind, ways in kinds.items() if ways))
counts = {key: total_variants(ways) for key, ways in own.items()}
print(f"{len(singles)} single facts, {sum(map(len, own.values()))} ways, {sum(counts.values())} readings; fewest: {sorted((count, key) for key, count in counts.items())[:8]}")
