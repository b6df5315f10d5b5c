"""Single-token decode beside the memory-read bound, in one run.

    python -m bench.models /tmp/35b-8 --shape 35b,layers=8
    python bench/decode.py /tmp/35b-8 [--memory 16GiB] [--tokens 40]

The bound is the measured memory-read rate over the bytes that a token reads (dense weights once, its experts once). The
tokens are fixed and the prompt is one token, so the cost of attention is small and the same in every run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import numpy as np

import flashmoe
from flashmoe import _core


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--memory", default=None)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--tokens", type=int, default=40)
    parser.add_argument("--warm", type=int, default=200, help="tokens before, to fill the expert cache")
    o = parser.parse_args()
    model = flashmoe.Model(o.model, memory=o.memory, threads=o.threads, context=4096)
    plan = model.plan
    ids = np.random.default_rng(7).integers(0, model.config.vocab, 4000)
    rates, seconds, hits, misses = [], [], 0, 0
    with model.session() as session:
        if plan.resident:
            # Every expert into the cache: a long prompt asks for all of them.
            session.prefill(ids[: min(2048, plan.sweep)])
        else:
            session.prefill(ids[: o.warm])
        for token in ids[2048 : 2048 + o.tokens]:
            if len(seconds) % 10 == 0:
                rates.append(_core.measure_memory(1 << 29, plan.threads))
            before = session.stats.decode
            start = time.perf_counter()
            session.eval([token])
            seconds.append(time.perf_counter() - start)
            after = session.stats.decode
            hits += after.expert_hits - before.expert_hits
            misses += after.expert_misses - before.expert_misses
        stats = session.stats.decode
    rate = statistics.median(rates)
    token_bytes = plan.dense_bytes_per_token + plan.expert_bytes_per_token
    bound = rate / token_bytes
    got = 1 / statistics.median(seconds)
    print(json.dumps({
        "tokens_per_second": round(got, 2),
        "bound_tokens_per_second": round(bound, 2),
        "share_of_bound": round(got / bound, 3),
        "memory_read_GB_s": round(rate / 1e9, 1),
        "bytes_per_token": token_bytes,
        "hit_rate": round(hits / max(1, hits + misses), 3),
        "seconds_waiting_share": round(stats.seconds_waiting / stats.seconds, 3),
        "threads": plan.threads, "kernels": plan.kernels, "reader": model.reader,
        "cache_share": round(plan.cache_slots / plan.experts_in_model, 3),
    }, indent=1))  # fmt: skip


if __name__ == "__main__":
    main()
