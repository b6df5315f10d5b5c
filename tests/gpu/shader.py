"""Runs one kernel of the shaders on the CPU, in a program of its own that can be built with a sanitizer."""

from __future__ import annotations

import os
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from flashmoe.errors import FlashMoeError
from flashmoe.gpu import build, translate

SANITIZERS = {
    "plain": [],
    "address": ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
    "thread": ["-fsanitize=thread"],
}
needs_clang = pytest.mark.skipif(
    build.find_clang() is None, reason=f"needs clang++ {build.CLANG_LEAST} or newer to run the shaders on the CPU"
)


class ShaderError(Exception):
    """What the soft device or a sanitizer said."""


class Address:
    """A place of a table that gets the address of a memory: (byte offset in the table, index of the memory)."""

    def __init__(self, table: int, offset: int, memory: int) -> None:
        self.table, self.offset, self.memory = table, offset, memory


@cache
def source(name: str, fault: tuple[str, str] | None = None) -> str:
    text = translate.flatten(build.shader_folder(), (name,))
    if fault:
        assert text.count(fault[0]) == 1, f"{text.count(fault[0])} places like {fault[0]!r} in {name}"
        text = text.replace(*fault)
    return text


@cache
def program(name: str, sanitizer: str = "plain", fault: tuple[str, str] | None = None) -> tuple[Path, dict, list]:
    text = source(name, fault)
    kernels, constants = translate.parse(text)
    try:
        path = build.soft_program(text, SANITIZERS[sanitizer])
    except FlashMoeError as e:
        if sanitizer != "plain" and ("clang_rt" in str(e) or "asan" in str(e) or "tsan" in str(e)):
            pytest.skip("needs clang's sanitizers (Debian: libclang-rt-19-dev)")
        raise
    return path, {k.name: k for k in kernels}, constants


def run(
    file: str,
    kernel: str,
    args: Sequence[np.ndarray | bytes],
    groups: tuple[int, int, int],
    threads: int,
    *,
    constants: dict[str, int] | None = None,
    memories: Sequence[np.ndarray] = (),
    addresses: Sequence[Address] = (),
    order: int = 0,
    sanitizer: str = "plain",
    fault: tuple[str, str] | None = None,
) -> list[np.ndarray]:
    """Returns the arguments after the run. args: arrays for buffers, bytes for constants; memories follow them and are
    reached through addresses."""
    if sanitizer == "cuda":
        from . import cuda

        return cuda.run(kernel, args, groups, threads, constants or {}, memories, addresses)
    path, kernels, names = program(file, sanitizer, fault)
    assert len(args) == len(kernels[kernel].buffers), [p.name for p in kernels[kernel].buffers]
    everything = [np.frombuffer(a, np.uint8) if isinstance(a, bytes) else np.ascontiguousarray(a) for a in args]
    everything += [np.ascontiguousarray(m) for m in memories]
    case = bytearray(struct.pack("<I", len(kernel)) + kernel.encode())
    case += struct.pack(f"<{len(names)}i", *((constants or {}).get(name, 0) for name in names))
    case += struct.pack("<6I", *groups, threads, order, len(everything))
    for array in everything:
        case += struct.pack("<Q", array.nbytes) + array.tobytes()
    case += struct.pack("<I", len(addresses))
    for a in addresses:
        case += struct.pack("<3I", a.table, a.offset, a.memory)
    environment = {
        **os.environ,
        "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=0",
        "TSAN_OPTIONS": "halt_on_error=1:exitcode=66:report_thread_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=0",
    }
    with tempfile.TemporaryDirectory() as work:
        before, after = Path(work) / "case", Path(work) / "out"
        before.write_bytes(case)
        done = subprocess.run([path, before, after], capture_output=True, text=True, env=environment, timeout=300)
        if done.returncode:
            raise ShaderError(f"{kernel} ({sanitizer}): exit {done.returncode}\n{done.stderr[:6000]}")
        data = after.read_bytes()
    out, at = [], 0
    for array in everything:
        out.append(np.frombuffer(data, array.dtype, array.size, at).reshape(array.shape).copy())
        at += array.nbytes
    return out[: len(args)]


# ---- weights ---------------------------------------------------------------------------------------------------------

CODES = {"bf16": 15, "f16": 16, "f32": 32}
FORMATS = (2, 3, 4, 5, 6, 8, "bf16", "f16", "f32")


class Weights:
    """A random matrix as stored: raw bytes for the kernel, float64 values for the reference."""

    def __init__(
        self, rows: int, cols: int, form: int | str, rng: np.random.Generator, group: int = 32, scale: str = "bf16"
    ) -> None:
        self.rows, self.cols, self.form, self.group = rows, cols, form, group
        if isinstance(form, int):
            q = rng.integers(0, 1 << form, (rows, cols), dtype=np.uint32)
            bits = (q[:, :, None] >> np.arange(form, dtype=np.uint32)) & 1
            self.weight = np.packbits(bits.astype(np.uint8).reshape(rows, -1), axis=1, bitorder="little").reshape(-1)
            self.scales, s = _store(rng.normal(0, 0.1, (rows, cols // group)), scale)
            self.biases, b = _store(rng.normal(0, 0.1, (rows, cols // group)), scale)
            self.values = np.repeat(s, group, 1) * q + np.repeat(b, group, 1)
            self.constants = {"FORMAT": form, "SCALE": CODES[scale], "ALIGNED": 1}
        else:
            stored, self.values = _store(rng.normal(0, 1, (rows, cols)), form)
            self.weight = stored.view(np.uint8)
            self.scales = self.biases = np.zeros(4, np.uint8)
            aligned = cols * (4 if form == "f32" else 2) % 16 == 0
            self.constants = {"FORMAT": CODES[form], "SCALE": 15, "ALIGNED": int(aligned)}

    @property
    def shift(self) -> int:
        return self.group.bit_length() - 1

    @property
    def parts(self) -> list[np.ndarray]:
        return [self.weight, self.scales, self.biases]


def _store(values: np.ndarray, form: str) -> tuple[np.ndarray, np.ndarray]:
    v = values.astype(np.float32)
    if form == "bf16":
        bits = (v.view(np.uint32) + 0x8000) >> 16
        return bits.astype(np.uint16).reshape(-1), (bits << 16).astype(np.uint32).view(np.float32).astype(np.float64)
    if form == "f16":
        return v.astype(np.float16).reshape(-1), v.astype(np.float16).astype(np.float64)
    return v.reshape(-1), v.astype(np.float64)


def lanes_for(cols: int) -> int:
    """As native/gpu/products.c chooses."""
    packs, lanes = (cols + 31) // 32, 1
    while lanes < packs and lanes < 32:
        lanes *= 2
    return lanes


def close(got: np.ndarray, wanted: np.ndarray, tolerance: float = 1e-5) -> None:
    assert np.isfinite(got).all(), f"{(~np.isfinite(got)).sum()} of {got.size} values are not finite"
    error = np.abs(got - wanted).max() / max(1e-9, np.abs(wanted).max())
    assert error < tolerance, f"off by {error:.2e} of the largest value"
