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
from flashmoe.gpu.matrices import Address

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
