"""Caches replayed from a routing trace: the hit rate that a policy reaches with room for so many experts.

A trace is [tokens, layers, k] expert ids. The cache is one pool for all layers, as the engine's is; experts of a layer
are asked for in the order given. LRU is what a good online policy comes near to; Belady, which throws out what is
needed last, is what no policy can pass.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Trace = npt.NDArray[np.integer]


def requests(trace: Trace) -> npt.NDArray[np.int64]:
    """[tokens * layers * k] numbers of experts, layers apart, in the order in which they are asked for."""
    layers = trace.shape[1]
    return (np.arange(layers)[None, :, None] * (int(trace.max()) + 1) + trace).reshape(-1).astype(np.int64)


def lru(trace: Trace, slots: int, warm: int = 0) -> float:
    """Share of hits after the first `warm` tokens."""
    asked = requests(trace).tolist()
    start = warm * trace.shape[1] * trace.shape[2]
    cache: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for i, expert in enumerate(asked):
        if expert in cache:
            cache.move_to_end(expert)
            hits += i >= start
        else:
            cache[expert] = None
            if len(cache) > slots:
                cache.popitem(last=False)
    return hits / max(1, len(asked) - start)


def belady(trace: Trace, slots: int, warm: int = 0) -> float:
    """Share of hits after the first `warm` tokens, of a cache that knows the future."""
    asked = requests(trace).tolist()
    start = warm * trace.shape[1] * trace.shape[2]
    never = len(asked)
    following = [never] * len(asked)
    last: dict[int, int] = {}
    for i in range(len(asked) - 1, -1, -1):
        following[i] = last.get(asked[i], never)
        last[asked[i]] = i
    cached: dict[int, int] = {}  # expert -> when it is asked for next
    queue: list[tuple[int, int]] = []  # (-next, expert); an entry whose time has changed is stale
    hits = 0
    for i, expert in enumerate(asked):
        if expert in cached:
            hits += i >= start
        elif len(cached) >= slots:
            while True:
                when, victim = heapq.heappop(queue)
                if cached.get(victim) == -when:
                    break
            del cached[victim]
        cached[expert] = following[i]
        heapq.heappush(queue, (-following[i], expert))
    return hits / max(1, len(asked) - start)


def repeat(trace: Trace) -> float:
    """Share of a token's experts that the token before it used in the same layer."""
    same = [np.isin(now[layer], before[layer]).mean() for before, now in pairwise(trace)
            for layer in range(trace.shape[1])]  # fmt: skip
    return float(np.mean(same))
