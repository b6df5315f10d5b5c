"""Random matrices as checkpoints store them, and what cases.py needs beside: addresses, comparison."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

CODES = {"bf16": 15, "f16": 16, "f32": 32}  # of shaders/types.h
FORMATS: tuple[int | str, ...] = (2, 3, 4, 5, 6, 8, "bf16", "f16", "f32")


class Address:
    """A place of a table that gets the address of a memory: (byte offset in the table, index of the memory)."""

    def __init__(self, table: int, offset: int, memory: int) -> None:
        self.table, self.offset, self.memory = table, offset, memory


class Weights:
    """A random matrix as stored: raw bytes for the kernel, float64 values for the reference."""

    def __init__(
        self, rows: int, cols: int, form: int | str, rng: np.random.Generator, group: int = 32, scale: str = "bf16"
    ) -> None:
        self.rows, self.cols, self.form, self.group = rows, cols, form, group
        if isinstance(form, int):
            self.weight = np.frombuffer(rng.bytes(rows * cols * form // 8), np.uint8)
            self.scales, self._scales = _store(rng.normal(0, 0.1, (rows, cols // group)), scale)
            self.biases, self._biases = _store(rng.normal(0, 0.1, (rows, cols // group)), scale)
            self.constants = {"FORMAT": form, "SCALE": CODES[scale], "ALIGNED": 1}
        else:
            stored, self._values = _store(rng.normal(0, 1, (rows, cols)), form)
            self.weight = stored.view(np.uint8)
            self.scales = self.biases = np.zeros(4, np.uint8)
            aligned = cols * (4 if form == "f32" else 2) % 16 == 0
            self.constants = {"FORMAT": CODES[form], "SCALE": 15, "ALIGNED": int(aligned)}

    @cached_property
    def values(self) -> Array:
        if not isinstance(self.form, int):
            return self._values
        bits = np.unpackbits(self.weight, bitorder="little").reshape(self.rows, self.cols, self.form)
        q = (bits.astype(np.uint32) << np.arange(self.form, dtype=np.uint32)).sum(-1)
        values: Array = np.repeat(self._scales, self.group, 1) * q + np.repeat(self._biases, self.group, 1)
        return values

    @property
    def shift(self) -> int:
        return self.group.bit_length() - 1

    @property
    def parts(self) -> list[Array]:
        return [self.weight, self.scales, self.biases]


def _store(values: Array, form: str) -> tuple[Array, Array]:
    v = values.astype(np.float32)
    if form == "bf16":
        bits = (v.view(np.uint32) + 0x8000) >> 16
        return bits.astype(np.uint16).reshape(-1), (bits << 16).astype(np.uint32).view(np.float32).astype(np.float64)
    if form == "f16":
        return v.astype(np.float16).reshape(-1), v.astype(np.float16).astype(np.float64)
    return v.reshape(-1), v.astype(np.float64)


def lanes_for(cols: int) -> int:
    """As native/gpu/products.c chooses."""
    packs, lanes = (cols + 31) // 32, 4
    while 2 * lanes < packs and lanes < 32:
        lanes *= 2
    return lanes


def close(got: Array, wanted: Array, tolerance: float = 1e-5) -> None:
    """Raises AssertionError unless every value is within `tolerance` of the largest wanted one."""
    if not np.isfinite(got).all():
        raise AssertionError(f"{(~np.isfinite(got)).sum()} of {got.size} values are not finite")
    error = np.abs(got - wanted).max() / max(1e-9, np.abs(wanted).max())
    if not error < tolerance:
        raise AssertionError(f"off by {error:.2e} of the largest value")
