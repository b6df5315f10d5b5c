"""The kernels of decode on an NVIDIA card beside what the card can read.

    python -m bench.gpu [--json FILE]

Each line: the bytes of weights or cache that one launch reads, the time of a launch within a row of them, the rate, and
its share of the rate at which a plain kernel reads memory in the same run. Sets of weights rotate, so that none comes
from the card's cache; the smallest are then bound by the launch itself, 2 to 5 microseconds.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import struct
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tests.gpu import cuda
from tests.gpu.cuda import Memory

EPS = 1e-6
COLD = 1 << 28  # bytes between two uses of the same weights: several times any cache

READ = b"""
.version 7.0
.target sm_80
.address_size 64
.visible .entry read(.param .u64 p, .param .u64 out, .param .u64 n)
{
  .reg .pred %q; .reg .b32 %a<8>; .reg .b64 %r<10>; .reg .b32 %v<16>;
  ld.param.u64 %r1, [p]; cvta.to.global.u64 %r1, %r1;
  ld.param.u64 %r2, [n];
  mov.u32 %a1, %ctaid.x; mov.u32 %a2, %ntid.x; mov.u32 %a3, %tid.x;
  mad.wide.u32 %r3, %a1, %a2, 0; cvt.u64.u32 %r4, %a3; add.u64 %r3, %r3, %r4; shl.b64 %r3, %r3, 4;
  mov.u32 %a4, %nctaid.x; mul.wide.u32 %r5, %a4, %a2; shl.b64 %r5, %r5, 4;
  mov.u32 %a0, 0;
LOOP:
  add.u64 %r6, %r1, %r3;
  ld.global.nc.v4.u32 {%v0, %v1, %v2, %v3}, [%r6];
  add.u64 %r7, %r6, %r5; ld.global.nc.v4.u32 {%v4, %v5, %v6, %v7}, [%r7];
  add.u64 %r7, %r7, %r5; ld.global.nc.v4.u32 {%v8, %v9, %v10, %v11}, [%r7];
  add.u64 %r7, %r7, %r5; ld.global.nc.v4.u32 {%v12, %v13, %v14, %v15}, [%r7];
  xor.b32 %a0, %a0, %v0; xor.b32 %a0, %a0, %v5; xor.b32 %a0, %a0, %v10; xor.b32 %a0, %a0, %v15;
  xor.b32 %a0, %a0, %v3; xor.b32 %a0, %a0, %v6; xor.b32 %a0, %a0, %v9; xor.b32 %a0, %a0, %v12;
  shl.b64 %r8, %r5, 2; add.u64 %r3, %r3, %r8;
  setp.lt.u64 %q, %r3, %r2;
  @%q bra LOOP;
  ld.param.u64 %r9, [out]; cvta.to.global.u64 %r9, %r9;
  setp.eq.u32 %q, %a0, 0x12345678;
  @%q st.global.u32 [%r9], %a0;
  ret;
}
"""


def pack(*values: float | int) -> bytes:
    return b"".join(struct.pack("<f", v) if isinstance(v, float) else struct.pack("<I", v) for v in values)


def seconds(launch: Callable[[int], None], count: int) -> float:
    """Of one launch, from events around a graph of `count` of them; best of three."""
    d = cuda._driver()
    graph, run = ctypes.c_void_p(), ctypes.c_void_p()
    events = [ctypes.c_void_p(), ctypes.c_void_p()]
    for event in events:
        cuda.check(d.cuEventCreate(ctypes.byref(event), 0), "event")
    cuda.check(d.cuStreamBeginCapture_v2(stream(), 0), "capture")
    for i in range(count):
        launch(i)
    cuda.check(d.cuStreamEndCapture(stream(), ctypes.byref(graph)), "capture")
    cuda.check(d.cuGraphInstantiateWithFlags(ctypes.byref(run), graph, ctypes.c_ulonglong(0)), "graph")
    best = float("inf")
    for _ in range(4):  # the first is not counted on to be good
        d.cuEventRecord(events[0], stream())
        cuda.check(d.cuGraphLaunch(run, stream()), "graph")
        d.cuEventRecord(events[1], stream())
        cuda.check(d.cuEventSynchronize(events[1]), "kernel")
        time = ctypes.c_float()
        d.cuEventElapsedTime(ctypes.byref(time), *events)
        best = min(best, time.value * 1e-3 / count)
    return best


@cache
def stream() -> ctypes.c_void_p:
    made = ctypes.c_void_p()
    cuda.check(cuda._driver().cuStreamCreate(ctypes.byref(made), 1), "stream")
    return made


class LaunchAttribute(ctypes.Structure):
    _fields_ = (("id", ctypes.c_int), ("pad", ctypes.c_int), ("value", ctypes.c_int * 16))


class LaunchConfig(ctypes.Structure):
    _fields_ = (
        ("sizes", ctypes.c_uint * 6),
        ("shared", ctypes.c_uint),
        ("stream", ctypes.c_void_p),
        ("attributes", ctypes.POINTER(LaunchAttribute)),
        ("count", ctypes.c_uint),
    )


class Launch:
    """A launch with its arguments prepared, so that Python is not what is measured."""

    def __init__(
        self, kernel: ctypes.c_void_p, args: Sequence[Memory | bytes], groups: tuple[int, ...], threads: int
    ) -> None:
        self.kernel, self.groups, self.threads = kernel, groups, threads
        self.values = [ctypes.create_string_buffer(a, len(a)) if isinstance(a, bytes) else a.address for a in args]
        self.pointers = (ctypes.c_void_p * len(self.values))(*(ctypes.addressof(v) for v in self.values))
        self.call = cuda._driver().cuLaunchKernelEx
        self.attribute = LaunchAttribute(id=6, value=(ctypes.c_int * 16)(1))  # programmatic stream serialization
        self.config = LaunchConfig(
            (ctypes.c_uint * 6)(*groups, threads, 1, 1), 0, stream(), ctypes.pointer(self.attribute), 1
        )

    def __call__(self) -> None:
        assert self.call(ctypes.byref(self.config), self.kernel, self.pointers, None) == 0


def read_rate() -> float:
    d = cuda._driver()
    module, kernel = ctypes.c_void_p(), ctypes.c_void_p()
    cuda.check(d.cuModuleLoadData(ctypes.byref(module), READ), "read kernel")
    cuda.check(d.cuModuleGetFunction(ctypes.byref(kernel), module, b"read"), "read kernel")
    block, out = Memory(1 << 32), Memory(16)
    best = 0.0
    for groups in (132 * 4, 132 * 8, 132 * 16, 132 * 32):
        step = groups * 512 * 16 * 4
        size = (1 << 32) // step * step
        run = Launch(kernel, [block, out, struct.pack("<Q", size)], (groups, 1, 1), 512)
        best = max(best, size / seconds(lambda _, run=run: run(), 5))
    return best


def lanes(cols: int) -> int:
    return min(32, 4 << max(0, (cols // 64 - 1).bit_length() - 2))


def sets_of(rows: int, cols: int) -> int:
    of_set = 32 // lanes(cols) * 4
    return -(-rows // of_set)


@cache
def groups_at_once() -> int:
    cores = ctypes.c_int()
    cuda.check(cuda._driver().cuDeviceGetAttribute(ctypes.byref(cores), 16, 0), "attribute")
    return cores.value


def share_of(cols: int, sets: int, times: int) -> tuple[int, int, int]:
    """Threads, groups, split: fm_gpu_share_of of native/gpu/products.c."""
    groups, simds, split = max(1, groups_at_once() // times), 16, 1
    staged = min(cols, 4096) // 32
    while (
        lanes(cols) == 32 and split < simds and lanes(cols) * split * 2 <= staged and sets * split * 2 <= groups * simds
    ):
        split *= 2
    while simds > split and simds > 8 and 2 * sets * split <= groups * simds:
        simds //= 2
    return simds * 32, min(groups, -(-sets * split // simds)), split


def affine_bytes(rows: int, cols: int, bits: int) -> int:
    return rows * cols * bits // 8 + rows * cols // 64 * 4


def weights(rows: int, cols: int, bits: int) -> list[Memory]:
    return [Memory(rows * cols * bits // 8), Memory(rows * cols // 64 * 2), Memory(rows * cols // 64 * 2)]


def matvec(rows: int, cols: int, bits: int = 4) -> tuple[int, float]:
    size = affine_bytes(rows, cols, bits)
    sets = [weights(rows, cols, bits) for _ in range(max(1, COLD // size))]
    x, y, unused = Memory(4 * cols), Memory(4 * rows), Memory(64)
    threads, groups, split = share_of(cols, sets_of(rows, cols), 1)
    constants = pack(rows, 0, 0, 0, 0, groups, 0, 0, 0, 1, cols, 6, lanes(cols), split, 1, 0, 0, 0, 0, EPS)
    kernel = cuda.function("matvec", (bits, 15, 1))
    rest = [unused, x, x, x, unused, unused, x, unused, constants]
    launches = [Launch(kernel, [*m, y, *m, unused, *m, unused, *m, *rest], (groups, 1, 1), threads) for m in sets]
    return size, seconds(lambda i: launches[i % len(launches)](), max(20, 4 * len(sets)))


def experts(k: int, inner: int, hidden: int, down: bool) -> tuple[int, float]:
    rows, cols = (hidden, inner) if down else (inner, hidden)
    matrices = 1 if down else 2
    size = k * matrices * affine_bytes(rows, cols, 4)
    count = max(1, COLD // size)
    import numpy as np

    tables, keep = [], []
    for _ in range(count):
        parts = [[weights(rows, cols, 4) for _ in range(matrices)] for _ in range(k)]
        keep.append(parts)
        table = np.zeros((k, 10), np.uint64)
        table[:, 9] = np.arange(k)
        for e in range(k):
            for m in range(matrices):
                at = 6 if down else 3 * m
                table[e, at : at + 3] = [p.address.value for p in parts[e][m]]
        tables.append(Memory(table))
    x, second, y = Memory(4 * k * cols), Memory(4 * k * cols), [Memory(4 * k * rows), Memory(4 * k * rows)]
    sets = sets_of(rows, cols)
    threads, groups, split = share_of(cols, sets, k) if down else share_of(cols, k * matrices * sets, 1)
    stage, stride = (2, cols) if down else (1, 0)
    constants = pack(
        2 if down else 0, 1, matrices, 1 if down else k, rows, cols, 6, lanes(cols), split, stage, stride, EPS
    )
    kernel = cuda.function("experts_matvec", (4, 15, 1))
    launches = [Launch(kernel, [t, x, second, *y, constants], (groups, k if down else 1, 1), threads) for t in tables]
    return size, seconds(lambda i: launches[i % count](), max(20, 4 * count))


def attention(heads: int, kv_heads: int, dim: int, positions: int) -> tuple[int, float]:
    size = 2 * kv_heads * positions * dim * 4
    sets = [(Memory(size // 2), Memory(size // 2)) for _ in range(max(1, COLD // size))]
    span = min(256, max(32, -(-positions // (128 * 32)) * 32))
    spans = -(-positions // span)
    q, partial = Memory(4 * heads * dim), Memory(4 * heads * spans * (dim + 4))
    constants = pack(heads, kv_heads, dim, positions - 1, 0, 1, positions, spans, span)
    kernel = cuda.function("attend_split", (4, 15, 1))
    blocks = -(-(heads // kv_heads) // 8)
    launches = [Launch(kernel, [q, k, v, partial, constants], (spans, blocks, kv_heads), 256) for k, v in sets]
    return size, seconds(lambda i: launches[i % len(launches)](), 40)


def delta(value_heads: int, key_heads: int, dim: int) -> tuple[int, float]:
    size = 2 * value_heads * dim * dim * 4
    channels = 2 * key_heads * dim + value_heads * dim
    state = [(Memory(size // 2), Memory(size // 2)) for _ in range(max(1, COLD // size))]
    vectors = [Memory(4 * channels * 4) for _ in range(10)]  # u, z, a, b, conv, rates, dt, norm, tails
    constants = pack(key_heads, value_heads, dim, dim, 4, channels, 0, 1, EPS)
    out = Memory(4 * value_heads * dim)
    kernel = cuda.function("delta_step", (4, 15, 1))
    launches = [Launch(kernel, [*vectors, s, t, out, constants], (value_heads, 1, 1), 512) for s, t in state]
    return size, seconds(lambda i: launches[i % len(launches)](), 100)


def matmul(n: int, rows: int, cols: int) -> tuple[int, float]:
    m, x, y = weights(rows, cols, 4), Memory(4 * n * cols), Memory(4 * n * rows)
    kernel = cuda.function("matmul", (4, 15, 1))
    run = Launch(kernel, [*m, x, x, y, pack(n, rows, cols, 6, 0, 0)], (-(-rows // 128), -(-n // 64), 1), 256)
    return 2 * n * rows * cols, seconds(lambda _: run(), 3)


CASES: dict[str, Callable[[], tuple[int, float]]] = {
    "matvec head of 397B, 248320 x 4096, 4 bits": lambda: matvec(248320, 4096),
    "matvec 8192 x 2048, 4 bits": lambda: matvec(8192, 2048),
    "matvec 2048 x 4096, 4 bits": lambda: matvec(2048, 4096),
    "matvec 4096 x 8192, 4 bits": lambda: matvec(4096, 8192),
    "matvec 248320 x 2048, 8 bits": lambda: matvec(248320, 2048, 8),
    "10 experts of 397B, gate and up": lambda: experts(10, 1024, 4096, False),
    "10 experts of 397B, down": lambda: experts(10, 1024, 4096, True),
    "40 experts of 397B, gate and up": lambda: experts(40, 1024, 4096, False),
    "40 experts of 397B, down": lambda: experts(40, 1024, 4096, True),
    "8 experts of 35B, gate and up": lambda: experts(8, 512, 2048, False),
    "8 experts of 35B, down": lambda: experts(8, 512, 2048, True),
    "attention, 16 heads, 2 kv, 1000 positions": lambda: attention(16, 2, 256, 1000),
    "attention, 32 heads, 2 kv, 32768 positions": lambda: attention(32, 2, 256, 32768),
    "delta step, 64 heads of 128 x 128": lambda: delta(64, 16, 128),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    assert cuda.available(), "needs an NVIDIA card"
    rate = read_rate()
    print(f"{'plain read':48} {rate / 1e9:8.0f} GB/s", flush=True)
    figures: dict[str, Any] = {"read": rate}
    for name, case in CASES.items():
        size, time = case()
        figures[name] = {"bytes": size, "seconds": time}
        share = size / time / rate
        print(
            f"{name:48} {size / 1e6:8.1f} MB {time * 1e6:9.1f} us {size / time / 1e9:8.0f} GB/s {share:6.1%}",
            flush=True,
        )
    operations, time = matmul(1024, 4096, 4096)
    figures["matmul"] = {"operations": operations, "seconds": time}
    print(f"{'matmul 1024 tokens, 4096 x 4096':48} {time * 1e3:8.2f} ms {operations / time / 1e12:6.2f} TFLOP/s")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
