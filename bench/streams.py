"""Token streams to force on every engine, so that all of them route alike.

    local      keeps to a topic for four tokens on average: consecutive tokens share about a third of their experts,
               as measured of real Qwen models; an LRU of 11, 16, 27 % of the experts hits 0.6, 0.66, 0.76
    uniform    tokens of the upper half of the vocabulary, drawn evenly: experts are drawn evenly too
    FILE       ids of your own, as .npy or as text, separated by blanks; it is repeated when it is too short

The first two have these properties on checkpoints of bench.models.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from .models import TOPICS

DWELL = 4  # tokens that a topic lasts, in the mean
SKEW = 0.8  # exponent of Zipf's law for the tokens of a topic


def stream(name: str, vocab: int, n: int, seed: int = 1) -> npt.NDArray[np.int32]:
    """n token ids. Raises ValueError for a file without ids, or with ids beyond the vocabulary."""
    rng = np.random.default_rng(seed)
    half = vocab // 2
    if name == "uniform":
        return rng.integers(half, vocab, n).astype(np.int32)
    if name == "local":
        each = half // TOPICS
        if each < 1:
            raise ValueError(f"a local stream needs a vocabulary of at least {2 * TOPICS}")
        weight = 1 / np.arange(1, each + 1) ** SKEW
        words = rng.choice(each, n, p=weight / weight.sum())
        topics = np.empty(n, np.int64)
        topic = 0
        for i in range(n):
            if i == 0 or rng.random() < 1 / DWELL:
                topic = int(rng.integers(TOPICS))
            topics[i] = topic
        return (words * TOPICS + topics).astype(np.int32)
    path = Path(name)
    if not path.is_file():
        raise ValueError(f"{name!r} is no stream: write local, uniform, or a file of ids")
    try:
        ids = np.load(path) if path.suffix == ".npy" else np.array(path.read_text().split(), np.int64)
    except ValueError:
        ids = np.empty(0)
    ids = ids.reshape(-1)
    if len(ids) == 0 or ids.dtype.kind not in "iu" or ids.min() < 0 or ids.max() >= vocab:
        raise ValueError(f"{name}: needs ids from 0 to {vocab - 1}")
    return np.resize(ids, n).astype(np.int32)
