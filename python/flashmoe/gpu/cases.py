"""One case for each kernel at an odd size: it runs the kernel and compares with NumPy.

A case gives `runner` what the kernel gets, and the other options that are not its own. The tests run cases on the CPU
in several orders, under sanitizers, on copies of the shaders with planted faults, and on CUDA; `flashmoe doctor
--self-test` runs them on the machine's GPU."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .matrices import Address, Weights, close, lanes_for

EPS = 1e-6
Options = dict[str, Any]


def run(
    file: str,
    kernel: str,
    args: Sequence[np.ndarray | bytes],
    groups: tuple[int, int, int],
    threads: int,
    *,
    runner: Callable[..., list[np.ndarray]],
    **options: Any,
) -> list[np.ndarray]:
    """Returns the arguments after the run. args: arrays for buffers, bytes for constants; options: constants, memories
    (which follow args and are reached through addresses), addresses, and what the runner knows."""
    return runner(file, kernel, args, groups, threads, **options)


def pack(*values: float | int) -> bytes:
    return b"".join(struct.pack("<f", v) if isinstance(v, float) else struct.pack("<I", v) for v in values)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def silu(x: np.ndarray) -> np.ndarray:
    return x * sigmoid(x)


def norm(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + EPS) * weight


def floats(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    return rng.normal(0, scale, shape).astype(np.float32)


def unset(*shape: int) -> np.ndarray:
    return np.full(shape, np.nan, np.float32)


def choice(logits: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The ids of the k largest in ascending order, and their softmax."""
    ids = np.sort(np.argsort(-logits, kind="stable")[:k])
    p = np.exp(logits[ids].astype(np.float64) - logits.max())
    return ids, p / p.sum()


# ---- products --------------------------------------------------------------------------------------------------------


def matvec(
    form: int | str = 4,
    rows: tuple[int, ...] = (37, 5),
    cols: int = 96,
    group: int = 32,
    scale: str = "bf16",
    stage: int = 1,
    add: int = 0,
    threads: int = 64,
    groups: int = 2,
    split: int = 1,
    early: int = 0,
    experts: int = 0,
    **options: Any,
) -> None:
    """experts: of a router, of which one more group chooses five."""
    rng = np.random.default_rng(1)
    matrices = [Weights(r, cols, form, rng, group, scale) for r in rows]
    x, second = floats(rng, cols), floats(rng, cols)
    lanes = lanes_for(cols)
    starts = [groups * i for i in range(len(rows) + 1)]
    y = [floats(rng, r) if add else unset(r) for r in rows]
    before = [v.copy() for v in y]
    args: list[np.ndarray | bytes] = []
    for i in range(4):
        m = matrices[min(i, len(rows) - 1)]
        args += [*m.parts, y[i] if i < len(rows) else np.zeros(4, np.float32)]
    four, k = [*rows, 0, 0, 0][:4], 5
    logits, entries = floats(rng, max(4, experts)), rng.integers(0, 1 << 60, (max(1, experts), 10)).astype(np.uint64)
    args += [
        x, second, logits, np.full(k, -1, np.int32), unset(k), entries, np.zeros((k, 10), np.uint64),
        pack(*four, *[*starts, 0, 0, 0, 0][:5], len(rows), cols, matrices[0].shift, lanes, split,
             stage, early, add, experts, k, EPS),
    ]  # fmt: skip
    all_groups = starts[-1] + (1 if experts else 0)
    out = run("matvec", "matvec", args, (all_groups, 1, 1), threads, constants=matrices[0].constants, **options)
    if experts:
        ids, softmax = choice(logits, k)
        assert out[19].tolist() == ids.tolist()
        close(out[20], softmax)
        assert np.array_equal(out[22][:, :9], entries[ids, :9])
        assert np.array_equal(out[22][:, 9], np.arange(k))
    given = {0: x, 1: norm(x.astype(np.float64), second), 2: silu(x.astype(np.float64)) * second}[stage]
    for i, m in enumerate(matrices):
        close(out[4 * i + 3], m.values @ given + (before[i] if add else 0))


def matvec_and_choice(**options: Any) -> None:
    matvec(**{"early": 1, "experts": 71, **options})


def matvec_wide(**options: Any) -> None:
    """More columns than threadgroup memory holds, shared out between SIMD groups, more rows than one round has."""
    matvec(**{"rows": (19,), "cols": 8192, "threads": 128, "groups": 1, "split": 2, **options})


def experts_matvec(
    form: int | str = 4, stage: int = 1, cols: int = 64, rows: int = 21, groups: int = 2, **options: Any
) -> None:
    rng = np.random.default_rng(2)
    k, experts, lanes = 5, 3, lanes_for(cols)
    chosen = [[Weights(rows, cols, form, rng) for _ in range(3)] for _ in range(experts)]
    memories = [part for expert in chosen for m in expert for part in m.parts]
    places = [4, 0, 3]
    separate = stage == 2
    x = floats(rng, k, cols) if separate else floats(rng, cols)
    second = floats(rng, k, cols) if separate else floats(rng, cols)
    matrices = 1 if separate else 2
    y = [unset(k, rows), unset(k, rows)]
    table = np.zeros((experts, 10), np.uint64)
    table[:, 9] = places
    args: list[np.ndarray | bytes] = [
        table, x, second, *y,
        pack(2 if separate else 0, 1, matrices, 1 if separate else experts, rows, cols, 5, lanes, 1, stage,
             cols if separate else 0, EPS),
    ]  # fmt: skip
    addresses = [Address(0, i // 9 * 80 + i % 9 * 8, len(args) + i) for i in range(len(memories))]
    out = run(
        "matvec", "experts_matvec", args, (groups, experts if separate else 1, 1), 64,
        constants=chosen[0][0].constants, memories=memories, addresses=addresses, **options,
    )  # fmt: skip
    given = norm(x.astype(np.float64), second)
    for place in set(range(k)) - set(places):
        assert np.isnan(out[3][place]).all()
    for place, expert in zip(places, chosen, strict=True):
        if separate:
            close(out[3][place], expert[2].values @ (silu(x[place].astype(np.float64)) * second[place]))
        else:
            close(out[3][place], expert[0].values @ given)
            close(out[4][place], expert[1].values @ given)


def experts_down(
    form: int | str = 4, cols: int = 96, rows: int = 83, sets: int = 1, k: int = 3, **options: Any
) -> None:
    rng = np.random.default_rng(13)
    lanes = lanes_for(cols)
    of_set = 32 // lanes * 4
    experts = [[Weights(rows, cols, form, rng) for _ in range(3)] for _ in range(k)]
    memories = [part for expert in experts for m in expert for part in m.parts]
    shared = Weights(rows, cols, form, rng)
    weights, gate, up = floats(rng, k), floats(rng, k, cols), floats(rng, k, cols)
    shared_gate, shared_up, opened, y = floats(rng, cols), floats(rng, cols), floats(rng, 1), floats(rng, rows)
    wanted = y + sigmoid(opened) * (shared.values @ (silu(shared_gate.astype(np.float64)) * shared_up))
    args: list[np.ndarray | bytes] = [
        np.zeros((k, 10), np.uint64), weights, gate, up, *shared.parts, shared_gate, shared_up, opened, y,
        pack(rows, cols, shared.shift, lanes, k, sets),
    ]  # fmt: skip
    addresses = [Address(0, i // 9 * 80 + i % 9 * 8, len(args) + i) for i in range(len(memories))]
    out = run(
        "matvec", "experts_down", args, (-(-rows // (of_set * sets)), 1, 1), 32 * (k + 1),
        constants=shared.constants, memories=memories, addresses=addresses, **options,
    )  # fmt: skip
    for place, expert in enumerate(experts):
        wanted += weights[place] * (expert[2].values @ (silu(gate[place].astype(np.float64)) * up[place]))
    close(out[10], wanted)


def tile_of(options: Options) -> tuple[int, int, int]:
    """Rows, tokens, threads: CUDA has a kernel of its own."""
    return (128, 64, 256) if options.get("sanitizer") == "cuda" else (32, 32, 128)


def tolerance_of(options: Options) -> float:
    """Two bf16 numbers for one float32 have 16 bits."""
    return 4e-5 if options.get("sanitizer") == "cuda" else 1e-5


def matmul(
    form: int | str = 4, n: int = 35, rows: int = 41, cols: int = 96, stage: int = 0, add: int = 0, group: int = 32,
    scale: str = "bf16", **options: Any,
) -> None:  # fmt: skip
    rng = np.random.default_rng(3)
    m = Weights(rows, cols, form, rng, group, scale)
    x, second = floats(rng, n, cols), floats(rng, n, cols)
    y = floats(rng, n, rows) if add else unset(n, rows)
    tile = tile_of(options)
    args: list[np.ndarray | bytes] = [*m.parts, x, second, y, pack(n, rows, cols, m.shift, stage, add)]
    out = run(
        "matmul", "matmul", args, (-(-rows // tile[0]), -(-n // tile[1]), 1), tile[2], constants=m.constants, **options
    )  # fmt: skip
    given = silu(x.astype(np.float64)) * second if stage == 2 else x
    close(out[5], given @ m.values.T + (y if add else 0), tolerance_of(options))


def experts_matmul(form: int | str = 4, shared_rows: bool = True, **options: Any) -> None:
    rng = np.random.default_rng(4)
    tokens, k, rows, cols = 23, 2, 37, 64
    tile = tile_of(options)
    experts = [[Weights(rows, cols, form, rng) for _ in range(3)] for _ in range(2)]
    memories = [part for expert in experts for m in expert for part in m.parts]
    pairs = rng.permutation(tokens * k).astype(np.int32)
    # 46 pairs: expert 0 has 33, in two tiles; expert 1 the other 13.
    tiles = np.array([[0, 0, 32, 0], [0, 32, 1, 0], [1, 33, 13, 0]], np.uint32)
    x = floats(rng, tokens if shared_rows else tokens * k, cols)
    second = floats(rng, *x.shape)
    y = [unset(tokens * k, rows), unset(tokens * k, rows)]
    args: list[np.ndarray | bytes] = [
        np.zeros((2, 10), np.uint64), tiles, pairs, x, second, *y,
        pack(0 if shared_rows else 2, 1, rows, cols, 5, 0 if shared_rows else 2, k if shared_rows else 1),
    ]  # fmt: skip
    addresses = [Address(0, i // 9 * 80 + i % 9 * 8, len(args) + i) for i in range(len(memories))]
    out = run(
        "matmul", "experts_matmul", args, (-(-rows // tile[0]), 3, 2 if shared_rows else 1), tile[2],
        constants=experts[0][0].constants, memories=memories, addresses=addresses, **options,
    )  # fmt: skip
    for i, pair in enumerate(pairs):
        expert = experts[0 if i < 33 else 1]
        if shared_rows:
            close(out[5][pair], expert[0].values @ x[pair // k], tolerance_of(options))
            close(out[6][pair], expert[1].values @ x[pair // k], tolerance_of(options))
        else:
            given = silu(x[pair].astype(np.float64)) * second[pair]
            close(out[5][pair], expert[2].values @ given, tolerance_of(options))


# ---- rows ------------------------------------------------------------------------------------------------------------


def embed(form: int | str = 4, cols: int = 96, **options: Any) -> None:
    rng = np.random.default_rng(5)
    m = Weights(11, cols, form, rng)
    ids = np.array([10, 0, 3], np.int32)
    rotations = 70
    made = floats(rng, 3, rotations)
    args: list[np.ndarray | bytes] = [
        *m.parts, ids, made, unset(3, cols), unset(3, rotations), pack(11, cols, 5, rotations)
    ]  # fmt: skip
    out = run("embed", "embed", args, (3, 1, 1), 32, constants=m.constants, **options)
    close(out[5], m.values[ids], 1e-6)
    assert np.array_equal(out[6], made)


def norm_rows(cols: int = 103, **options: Any) -> None:
    rng = np.random.default_rng(6)
    x, weight = floats(rng, 3, cols), floats(rng, cols)
    out = run("rows", "norm_rows", [x, weight, unset(3, cols), pack(cols, EPS)], (3, 1, 1), 96, **options)
    close(out[2], norm(x.astype(np.float64), weight))


def combine(hidden: int = 70, **options: Any) -> None:
    rng = np.random.default_rng(7)
    n, k = 3, 11
    x, shared, gate = floats(rng, n, hidden), floats(rng, n, hidden), floats(rng, n)
    experts, weights = floats(rng, n, k, hidden), floats(rng, n, k)
    args: list[np.ndarray | bytes] = [x, shared, gate, experts, weights, pack(hidden, k, n)]
    out = run("rows", "combine", args, (-(-hidden // 64), n, 1), 64, **options)
    close(out[0], x + sigmoid(gate)[:, None] * shared + (weights[:, :, None] * experts).sum(1))


def choose(experts: int = 71, k: int = 6, **options: Any) -> None:
    rng = np.random.default_rng(8)
    logits = floats(rng, 4, experts)
    logits[1] = np.round(logits[1])  # many equal ones
    logits[2] = np.where(np.arange(experts) % 3, 0.0, -0.0)  # all of them
    args: list[np.ndarray | bytes] = [
        logits, np.full((4, k), -1, np.int32), unset(4, k), np.full((4, k), -1, np.int32), unset(4, k),
        pack(experts, k, 0),
    ]  # fmt: skip
    out = run("router", "choose", args, (4, 1, 1), 32, **options)
    for t in range(4):
        ids, softmax = choice(logits[t], k)
        assert out[1][t].tolist() == ids.tolist()
        close(out[2][t], softmax)
    assert np.array_equal(out[3], out[1])
    assert np.array_equal(out[4], out[2])


def copy_words(count: int = 37, threads: int = 32, **options: Any) -> None:
    x = np.arange(count, dtype=np.uint32)
    args: list[np.ndarray | bytes] = [x, np.zeros(count + 3, np.uint32), pack(count)]
    out = run("rows", "copy_words", args, (-(-count // threads), 1, 1), threads, **options)
    assert np.array_equal(out[1], [*x, 0, 0, 0])


# ---- attention -------------------------------------------------------------------------------------------------------


def rope(dim: int = 40, rope_dim: int = 12, **options: Any) -> None:
    rng = np.random.default_rng(9)
    heads, kv_heads, n, position, context = 3, 2, 2, 5, 32
    qg, k, v = floats(rng, n, heads, 2, dim), floats(rng, n, kv_heads, dim), floats(rng, n, kv_heads, dim)
    q_norm, k_norm = floats(rng, dim), floats(rng, dim)
    angle = (position + np.arange(n))[:, None] * 10000.0 ** (-2 * np.arange(rope_dim // 2) / rope_dim)
    rotation = np.stack([np.cos(angle), np.sin(angle)], -1).astype(np.float32)
    cache = [unset(kv_heads, context, dim), unset(kv_heads, context, dim)]
    args: list[np.ndarray | bytes] = [
        qg, k, v, q_norm, k_norm, rotation, unset(n, heads, dim), *cache,
        pack(heads, kv_heads, dim, rope_dim, position, 0, n, context, EPS, float(dim**-0.5)),
    ]  # fmt: skip
    out = run("attention", "rope", args, (heads + kv_heads, n, 1), 32, **options)

    def rotate(x: np.ndarray) -> np.ndarray:  # [n, heads, dim]
        half = rope_dim // 2
        cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
        a, b, rest = x[..., :half], x[..., half:rope_dim], x[..., rope_dim:]
        return np.concatenate([a * cosine - b * sine, b * cosine + a * sine, rest], -1)

    close(out[6], rotate(norm(qg[:, :, 0].astype(np.float64), q_norm)) * dim**-0.5)
    at = slice(position, position + n)
    close(out[7][:, at], rotate(norm(k.astype(np.float64), k_norm)).swapaxes(0, 1))
    close(out[8][:, at], v.swapaxes(0, 1))
    for c in out[7:9]:
        assert np.isnan(c[:, : at.start]).all()
        assert np.isnan(c[:, at.stop :]).all()


def attention(q: np.ndarray, keys: np.ndarray, values: np.ndarray, gate: np.ndarray, position: int) -> np.ndarray:
    """q, gate [n, heads, dim]; keys, values [kv heads, context, dim]."""
    n, heads, _ = q.shape
    share = heads // len(keys)
    out = np.zeros(q.shape)
    for t in range(n):
        for h in range(heads):
            k, v = (x[h // share, : position + t + 1].astype(np.float64) for x in (keys, values))
            p = np.exp(k @ q[t, h] - (k @ q[t, h]).max())
            out[t, h] = p / p.sum() @ v
    return out * sigmoid(gate.astype(np.float64))


def attend_token(
    dim: int = 40, heads: int = 20, position: int = 300, context: int = 320, threads: int = 64, span: int = 96,
    **options: Any,
) -> None:  # fmt: skip
    """attend_split and attend_merge. Ten query heads a key/value head: one and a part of a second block."""
    rng = np.random.default_rng(10)
    kv_heads = 2
    q, qg = floats(rng, 1, heads, dim, scale=0.3), floats(rng, 1, heads, 2, dim)
    keys, values = floats(rng, kv_heads, context, dim), floats(rng, kv_heads, context, dim)
    keys[:, position + 1 :] = values[:, position + 1 :] = np.nan
    spans = -(-(position + 1) // span)
    constants = pack(heads, kv_heads, dim, position, 0, 1, context, spans, span)
    blocks = -(-(heads // kv_heads) // 8)
    out = run(
        "attention", "attend_split", [q, keys, values, unset(heads, spans, dim + 4), constants],
        (spans, blocks, kv_heads), threads, **options,
    )  # fmt: skip
    merged = run(
        "attention", "attend_merge", [out[3], qg, unset(heads, dim), constants], (heads, 1, 1), 96, **options
    )  # fmt: skip
    close(merged[2], attention(q, keys, values, qg[:, :, 1], position)[0])


def attend_block(
    dim: int = 40, heads: int = 6, position: int = 45, n: int = 7, context: int = 64, **options: Any
) -> None:
    rng = np.random.default_rng(11)
    kv_heads = 2
    q, qg = floats(rng, n, heads, dim, scale=0.3), floats(rng, n, heads, 2, dim)
    keys, values = floats(rng, kv_heads, context, dim), floats(rng, kv_heads, context, dim)
    keys[:, position + n :] = values[:, position + n :] = 0  # as made, or older but finite
    args: list[np.ndarray | bytes] = [
        q, keys, values, qg, unset(n, heads, dim), pack(heads, kv_heads, dim, position, 0, n, context, 0, 0)
    ]  # fmt: skip
    rows = n * heads // kv_heads
    out = run("attention", "attend_block", args, (-(-rows // 16), kv_heads, 1), 128, **options)
    close(out[4], attention(q, keys, values, qg[:, :, 1], position))


# ---- delta rule ------------------------------------------------------------------------------------------------------


class Delta:
    """Inputs and the reference for a block of n tokens."""

    def __init__(self, n: int, key_dim: int = 20, value_dim: int = 12, kernel: int = 4, heads: int = 6) -> None:
        rng = np.random.default_rng(12)
        self.n, self.dk, self.dv, self.kernel, self.hk, self.hv = n, key_dim, value_dim, kernel, 2, heads
        c = self.channels = 2 * self.hk * key_dim + self.hv * value_dim
        self.u, self.z = floats(rng, n, c), floats(rng, n, self.hv, value_dim)
        self.a, self.b = floats(rng, n, self.hv), floats(rng, n, self.hv)
        self.a[0, 0] = -30  # decay of almost 1
        self.conv, self.rate = floats(rng, c, kernel), -np.abs(floats(rng, self.hv))
        self.dt, self.norm = floats(rng, self.hv), floats(rng, value_dim)
        self.tail, self.state = floats(rng, kernel - 1, c), floats(rng, self.hv, value_dim, key_dim)

    def args(self) -> bytes:
        return pack(self.hk, self.hv, self.dk, self.dv, self.kernel, self.channels, 0, self.n, EPS)

    def reference(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """out [n, value heads, dv], the tail and the state after."""
        u = np.concatenate([self.tail, self.u]).astype(np.float64)
        c = silu(sum(u[i : i + self.n] * self.conv[:, i] for i in range(self.kernel)))
        width = self.hk * self.dk
        q, k = (x.reshape(self.n, self.hk, self.dk) for x in (c[:, :width], c[:, width : 2 * width]))
        q, k = (x / np.sqrt((x * x).sum(-1, keepdims=True) + 1e-6) for x in (q, k))
        v = c[:, 2 * width :].reshape(self.n, self.hv, self.dv)
        s, out = self.state.astype(np.float64), np.zeros(v.shape)
        share = self.hv // self.hk
        for t in range(self.n):
            for h in range(self.hv):
                decay = np.exp(self.rate[h] * np.logaddexp(0, float(self.a[t, h]) + self.dt[h]))
                s[h] *= decay
                d = sigmoid(self.b[t, h]) * (v[t, h] - s[h] @ k[t, h // share])
                s[h] += np.outer(d, k[t, h // share])
                out[t, h] = s[h] @ q[t, h // share] * self.dk**-0.5
        return norm(out, self.norm) * silu(self.z.astype(np.float64)), u[len(u) - self.kernel + 1 :], s


def delta_step(
    threads: int = 64, key_dim: int = 20, value_dim: int = 12, kernel: int = 4, heads: int = 6, **options: Any
) -> None:
    d = Delta(1, key_dim, value_dim, kernel, heads)
    args: list[np.ndarray | bytes] = [
        d.u, d.z, d.a, d.b, d.conv, d.rate, d.dt, d.norm, d.tail, unset(*d.tail.shape), d.state,
        unset(*d.state.shape), unset(d.hv, d.dv), d.args(),
    ]  # fmt: skip
    out = run("delta", "delta_step", args, (d.hv, 1, 1), threads, **options)
    wanted, tail, state = d.reference()
    close(out[12], wanted[0])
    close(out[9], tail)
    close(out[11], state)


def delta_block(n: int = 9, threads: int = 64, **options: Any) -> None:
    d = Delta(n)
    groups = -(-d.channels // threads)
    out = run(
        "delta", "conv_rows", [d.u, d.conv, d.tail, unset(*d.tail.shape), unset(n, d.channels), d.args()],
        (groups, n, 1), threads, **options,
    )  # fmt: skip
    c, tail = out[4], out[3]
    c = run("delta", "delta_norm", [c, d.args()], (d.hk, n, 1), 32, **options)[0]
    rows = -(-d.dv // (threads // 32))
    args: list[np.ndarray | bytes] = [
        c, d.a, d.b, d.rate, d.dt, d.state, unset(*d.state.shape), unset(n, d.hv, d.dv), d.args()
    ]  # fmt: skip
    out = run("delta", "delta_scan", args, (rows, d.hv, 1), threads, **options)
    state, o = out[6], out[7]
    out = run(
        "delta", "gated_norm", [o, d.z, d.norm, unset(n, d.hv, d.dv), d.args()], (d.hv, n, 1), 32, **options
    )  # fmt: skip
    wanted, tail_wanted, state_wanted = d.reference()
    close(out[3], wanted)
    close(tail, tail_wanted)
    close(state, state_wanted)


CASES: dict[str, Callable[..., None]] = {
    f.__name__: f
    for f in (
        *(
            matvec,
            matvec_and_choice,
            matvec_wide,
            experts_matvec,
            experts_down,
            matmul,
            experts_matmul,
            embed,
            norm_rows,
            combine,
            choose,
            copy_words,
        ),
        *(rope, attend_token, attend_block, delta_step, delta_block),
    )
}
