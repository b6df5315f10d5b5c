"""A model on an NVIDIA card, all of it in the card's memory, beside llama.cpp with CUDA, in turns.

    python -m bench.gpu_peer MODEL MODEL.gguf

Needs a llama-cpp-python built with GGML_CUDA=ON. Both engines are open at once; tokens are forced, and the same.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

import numpy as np

from . import jobs, report
from .engines import Engine

ON_CARD: dict[str, dict[str, Any]] = {"flashmoe": {"backend": "cuda"}, "llama": {"gpu_layers": 999}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mlx", type=Path)
    parser.add_argument("gguf", type=Path)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each engine (5)")
    parser.add_argument("--tokens", type=int, default=128, help="decoded in a turn (128)")
    parser.add_argument("--prompts", default="512,2048", help="tokens of the prompts (512,2048)")
    o = parser.parse_args()
    setting = jobs.Setting(str(o.mlx), str(o.gguf), "")
    prompts = [int(n) for n in o.prompts.split(",")]
    ON_CARD["flashmoe"]["memory"] = jobs.whole(setting)
    engines = [Engine(name, setting.models, **options).__enter__() for name, options in ON_CARD.items()]
    found: dict[str, dict[str, list[float]]] = {name: {} for name in ON_CARD}
    logits = {}
    try:
        for engine in engines:
            opened = engine.open()
            print(engine.name, opened.get("kernels") or opened["system"], flush=True)
            engine("prefill", ids=setting.ids(64))
            logits[engine.name] = engine("logits")["logits"]
            engine("decode", ids=setting.ids(32, seed=2))
            for n in prompts:  # what is compiled or tuned at first use
                engine("new")
                engine("prefill", ids=setting.ids(n))
        print(f"logits of a prompt of 64 correlate to {np.corrcoef(*logits.values())[0, 1]:.5f}")
        for number in range(o.rounds):
            for engine in engines if number % 2 else engines[::-1]:
                for n in prompts:
                    engine("new")
                    seconds = engine("prefill", ids=setting.ids(n, seed=10 + number))["seconds"]
                    found[engine.name].setdefault(f"prompt of {n}", []).append(n / seconds)
                engine("decode", ids=setting.ids(8, seed=3))
                seconds = engine("decode", ids=setting.ids(o.tokens, seed=20 + number))["seconds"]
                found[engine.name].setdefault("decode", []).append(1 / statistics.median(seconds))
    finally:
        for engine in engines:
            engine.__exit__(None, None, None)
    kinds = list(found["flashmoe"])
    rows = [[name, *(f"{statistics.median(run[kind]):.0f} ({min(run[kind]):.0f} to {max(run[kind]):.0f})"
                     for kind in kinds)] for name, run in found.items()]  # fmt: skip
    print(report.table(["tokens/s", *kinds], rows))


if __name__ == "__main__":
    main()
