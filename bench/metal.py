"""What a token costs on Metal, counted on the soft Metal, and a prediction of the speed of an M3 Max from it.

    python -m bench.metal [--json FILE]

Counted: lists, waits, dispatches and barriers of a decoded token of the demo model (3 of 4 layers Gated DeltaNet, as in
every model of the family), through native/gpu/metal.m, with every expert in memory, where nothing waits for a choice,
and with a small cache, where each layer does. They depend on the layers, not on their sizes. Computed from the shape:
bytes of weights. Predicted, and marked so: tokens per second. Nobody has measured them.

flash-moe's figures are its own: 120 waits a token, 101 MB of weights a layer at K = 4, 57 of 400 GB/s in its GPU
phases.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.gpu import soft_metal

from .shapes import SHAPES, Shape

BANDWIDTH = 400e9  # of an M3 Max
SHARE = 0.75  # of it that kernels of this kind reach when they are large; an assumption
WAIT = (50e-6, 730e-6)  # seconds a wait: about what waking a thread takes; what flash-moe's figures leave for each
DISK = 7e9  # of its SSD, a second

RUN = """
import flashmoe
model = flashmoe.Model("demo", backend="metal", memory=sys.argv[1], context=64)
with model.session() as session:
    session.eval([1, 2, 3])
    for token in range(int(sys.argv[2])):
        session.eval([100 + 37 * token])
"""


def counts(memory: str) -> dict[str, float]:
    """Of a decoded token."""
    found = []
    with tempfile.TemporaryDirectory() as work:
        for tokens in (4, 20):
            log = Path(work) / "log"
            soft_metal.run(RUN, memory, tokens, log=log)
            lines = (line.split() for line in log.read_text().splitlines())
            found.append({name: int(value) for name, value in lines})
    names = {"committed": "lists", "waits": "waits", "dispatches": "dispatches", "barriers": "barriers"}
    return {name: (found[1][key] - found[0][key]) / 16 for key, name in names.items()}


def affine(rows: int, cols: int, bits: int = 4) -> int:
    return rows * cols * bits // 8 + rows * cols // 64 * 4


def weights(s: Shape) -> dict[str, float]:
    """Bytes that a token reads: of a layer, the mean of the two kinds, and of the head."""
    value = s.value_heads * s.linear_dim
    linear = affine(2 * s.key_heads * s.linear_dim + 2 * value + 2 * s.value_heads, s.hidden) + affine(s.hidden, value)
    query = s.heads * s.head_dim
    full = affine(2 * query + 2 * s.kv_heads * s.head_dim, s.hidden) + affine(s.hidden, query)
    mixer = (linear * (s.interval - 1) + full) / s.interval
    expert = 3 * affine(s.inner, s.hidden)
    shared = expert + affine(s.experts + 1, s.hidden, 8)
    return {"layer": mixer + shared + s.top_k * expert, "experts": s.top_k * expert, "head": affine(s.vocab, s.hidden)}


def predict(s: Shape, at_end: float, of_layer: float) -> dict[str, Any]:
    """at_end: waits of a token whatever its layers; of_layer: waits of a layer that streams its experts."""
    w = weights(s)
    total = w["layer"] * s.layers + w["head"]
    reading = total / (BANDWIDTH * SHARE)
    streams = at_end + of_layer * s.layers
    disk = w["experts"] * s.layers / DISK
    return {
        "K": s.top_k,
        "MB a layer": w["layer"] / 1e6,
        "MB of it experts": w["experts"] / 1e6,
        "GB a token": total / 1e9,
        "waits, experts in memory": at_end,
        "waits, experts from the SSD": streams,
        "tokens/s, experts in memory": [1 / (reading + at_end * wait) for wait in reversed(WAIT)],
        "tokens/s, every expert from the SSD": [1 / (disk + reading + streams * wait) for wait in reversed(WAIT)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    layers = 8  # of the demo model
    resident, tight = counts("128MiB"), counts("24MiB")
    print("a token of the demo model, 8 layers: experts in memory, and a budget of 24 MiB")
    for name in resident:
        a_layer = f"{resident[name] / layers:5.2f} and {tight[name] / layers:5.2f}"
        print(f"  {name:<11}{resident[name]:8.1f}{tight[name]:8.1f}   a layer {a_layer}")
    at_end = resident["waits"]  # for the logits
    of_layer = (tight["waits"] - at_end) / layers
    result = {}
    shapes = {**{name: SHAPES[name] for name in ("35b", "397b")}, "397b, K=4": replace(SHAPES["397b"], top_k=4)}
    for name, shape in shapes.items():
        result[name] = predict(shape, at_end, of_layer)
        print(f"{name} on an M3 Max, predicted from bytes, waits and {BANDWIDTH / 1e9:.0f} GB/s:")
        for key, value in result[name].items():
            text = " to ".join(f"{v:.1f}" for v in value) if isinstance(value, list) else f"{value:.1f}"
            print(f"  {key:<38}{text}")
    if options.json:
        options.json.write_text(json.dumps({"counted": {"resident": resident, "tight": tight}, "predicted": result}))


if __name__ == "__main__":
    main()
