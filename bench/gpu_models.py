"""Models of true shape on an NVIDIA card, with their experts in its memory, in memory of the host and on disk: tokens
per second beside the bound of what binds.

    python -m bench.gpu_models DIR [--shape 397b] [--runs card,host,both,disk] [--json FILE]

DIR gets two layers of the shape (bench.models); a model of more layers names their bytes again, each layer with experts
of its own to the cache, so that a model of 220 GB takes 9 GB of disk. The bound of a token is the longest of

    bytes of weights / rate of the card's memory      bytes moved to the card / rate of its link
    bytes read / rate of the disk

with the rates of the same run: a plain kernel that reads, one long copy from pinned memory, direct reads at random.

Runs, each a model of so many layers: `card`, every expert in the card's memory; `host`, a second tier in memory of the
host that holds all, and budgets of the card from large to small; `both`, all layers in the two together; `disk`, no
second tier, direct reads. Routing is uniform, the worst for a cache. Budgets below the first are what a model that was
opened with more is left (Model.reserve), so that it is opened once.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import flashmoe
from flashmoe.bench import Phase
from flashmoe.doctor import measure_disk
from flashmoe.spec import ModelSpec
from flashmoe.system import format_size

from . import models
from .shapes import SHAPES, Shape, parse

GIB = 1 << 30


@dataclass(frozen=True)
class Run:
    """layers: None: all. budgets: of the card, in GiB, falling. host: GiB of the second tier. prompts: tokens."""

    layers: int | None
    budgets: tuple[float, ...]
    host: float
    reader: str
    tokens: int
    warm: int
    prompts: tuple[int, ...] = ()


RUNS = {
    "397b": {
        "card": Run(32, (128,), 0, "buffered", 64, 8, (2048, 16384)),
        "host": Run(16, (48, 32, 16, 8), 57, "buffered", 32, 8, (2048, 16384)),
        "both": Run(None, (130,), 88, "buffered", 48, 32, (2048, 16384)),
        "disk": Run(12, (16, 8), 0, "direct", 10, 4),
    },
    "35b": {
        "card": Run(None, (60,), 0, "buffered", 64, 8, (2048, 16384)),
        "host": Run(None, (16, 12, 8, 4), 18, "buffered", 64, 16, (2048,)),
    },
}


def spec_of(folder: Path, shape: Shape) -> ModelSpec:
    """All layers of the shape, from a checkpoint of its first kinds of layers."""
    base = flashmoe.open_spec(folder)
    kinds = ["full_attention" if full else "linear_attention" for full in shape.full_attention]
    source = [base.config.layer_types.index(kind) for kind in kinds]
    tensors = {key: tensor for key, tensor in base.tensors.items() if key[1] < 0}
    for layer, like in enumerate(source):
        tensors |= {(role, layer): tensor for (role, at), tensor in base.tensors.items() if at == like}
    config = replace(base.config, layer_types=tuple(kinds))
    return replace(base, config=config, tensors=tensors, experts=tuple(base.experts[like] for like in source))


def link_rate(size: int = GIB) -> float:
    """Bytes a second of one copy from pinned memory, the best of four."""
    from tests.gpu import cuda

    d = cuda._driver()
    host, to = ctypes.c_void_p(), cuda.Memory(size)
    cuda.check(d.cuMemHostAlloc(ctypes.byref(host), ctypes.c_size_t(size), 0), "pinned memory")
    best = 0.0
    for _ in range(4):
        start = time.perf_counter()
        cuda.check(d.cuMemcpyHtoD_v2(to.address, host, ctypes.c_size_t(size)), "copy")
        best = max(best, size / (time.perf_counter() - start))
    d.cuMemFreeHost(host)
    return best


def rates(spec: ModelSpec, backend: str) -> dict[str, float]:
    """Bytes a second of the card's memory, its link and the disk. Without a card, of nothing but the disk."""
    expert = int(spec.experts[0].extents[0, :, 2].max())
    disk = measure_disk(max(spec.files, key=lambda path: path.stat().st_size), 2.0, expert)
    found = {"disk": max((disk.direct or disk.buffered).values())}
    if backend == "cuda":
        from . import gpu

        found |= {"card": gpu.read_rate(), "link": link_rate()}
    return found


def measure(name: str, spec: ModelSpec, run: Run, backend: str, rate: dict[str, float]) -> Iterator[dict[str, Any]]:
    """A line for each budget; prompts with the largest."""
    rng = np.random.default_rng(1)
    vocab = spec.config.vocab
    context = max((512, *run.prompts)) + len(run.budgets) * (run.tokens + run.warm) + 64
    start = time.perf_counter()
    model = flashmoe.Model(
        spec, backend, int(run.budgets[0] * GIB), host_memory=int(run.host * GIB) or 1, context=context,
        reader=run.reader,
    )  # fmt: skip
    opening = time.perf_counter() - start
    plan = model.plan
    print(f"{name}: {spec.config.layers} layers, opened in {opening:.1f} s\n{plan}", flush=True)
    prompts = {}
    for n in (*run.prompts[:1], *run.prompts) if not plan.resident else run.prompts:  # the first fills the tiers
        ids = rng.integers(vocab // 2, vocab, n).tolist()
        with model.session() as session:
            session.eval(ids)
            p = session.stats.prefill
        prompts[n] = {"tokens_per_second": p.tokens_per_second, "bytes_moved": p.bytes_moved, "seconds": p.seconds,
                      "bytes_read": p.bytes_read}  # fmt: skip
        print(f"  prompt of {n}: {p.tokens_per_second:.0f} tokens/s, {format_size(p.bytes_moved)} moved, "
              f"{format_size(p.bytes_read)} read", flush=True)  # fmt: skip
    weights = plan.dense_bytes_per_token + plan.expert_bytes_per_token
    with model.session() as session:
        session.eval(rng.integers(vocab // 2, vocab, 2).tolist())
        for budget in run.budgets:
            try:
                model.reserve(session, int((run.budgets[0] - budget) * GIB))
            except flashmoe.MemoryBudgetError as error:
                print(f"  {budget:5.0f} GiB: {error}", flush=True)
                continue
            for token in rng.integers(vocab // 2, vocab, run.warm).tolist():
                session.eval([token])
            before = session.stats.decode
            for token in rng.integers(vocab // 2, vocab, run.tokens).tolist():
                session.eval([token])
            after = session.stats.decode
            phase = Phase.of(before, after)
            moved = phase.bytes_moved_per_token
            limits = {"card": weights, "link": moved, "disk": phase.bytes_read_per_token}
            if run.reader != "direct":
                del limits["disk"]  # the page cache, whose rate is another
            bounds = {kind: rate[kind] / size for kind, size in limits.items() if size and kind in rate}
            binds = min(bounds, key=lambda kind: bounds[kind]) if bounds else "nothing known"
            line = {
                "run": name, "layers": spec.config.layers, "budget_gib": budget, "host_gib": plan.host / GIB,
                "tokens_per_second": phase.tokens_per_second, "hit_rate": phase.hit_rate,
                "host_hit_rate": phase.host_hit_rate, "bytes_moved": moved,
                "bytes_read": phase.bytes_read_per_token, "weights": weights,
                "binds": binds, "bound": bounds.get(binds), "opening": opening, "prompts": prompts,
            }  # fmt: skip
            yield line


def show(line: dict[str, Any]) -> str:
    bound, speed = line["bound"], line["tokens_per_second"]
    share = f"{line['binds']} {bound:.2f}: {speed / bound:.0%}" if bound else line["binds"]
    return (
        f"  {line['budget_gib']:5.0f} GiB {speed:8.2f} tokens/s, {line['hit_rate']:.0%} on the card, "
        f"{line['host_hit_rate']:.0%} in the host's, {line['bytes_moved'] / 1e6:,.0f} MB moved, "
        f"{line['bytes_read'] / 1e6:,.0f} MB read; {share}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--shape", type=parse, default="397b", help="as bench.models takes it (default 397b)")
    parser.add_argument("--runs", help="which, with commas (default: all of the shape)")
    parser.add_argument("--backend", default="cuda")
    parser.add_argument("--scale", type=float, default=1.0, help="of all sizes in GiB, to try it with a small shape")
    parser.add_argument("--prompts", help="tokens of each, with commas, instead of the runs' own")
    parser.add_argument("--json", type=Path, metavar="FILE")
    o = parser.parse_args()
    name = next((n for n, s in SHAPES.items() if s.hidden == o.shape.hidden and n in RUNS), "397b")
    models.write(o.folder, replace(o.shape, layers=2, interval=2))
    whole = spec_of(o.folder, o.shape)
    rate = rates(whole, o.backend)
    print(", ".join(f"{kind} {value / 1e9:,.2f} GB/s" for kind, value in rate.items()), flush=True)
    lines = []
    for title, run in RUNS[name].items():
        if o.runs and title not in o.runs.split(","):
            continue
        layers = min(run.layers or o.shape.layers, o.shape.layers)
        if o.prompts and run.prompts:
            run = replace(run, prompts=tuple(int(n) for n in o.prompts.split(",")))
        sized = replace(run, budgets=tuple(b * o.scale for b in run.budgets), host=run.host * o.scale)
        spec = spec_of(o.folder, replace(o.shape, layers=layers))
        for line in measure(title, spec, sized, o.backend, rate):
            print(show(line), flush=True)
            lines.append(line)
            if o.json:
                o.json.write_text(json.dumps({"rates": rate, "lines": lines}, indent=1))


if __name__ == "__main__":
    main()
