"""`flashmoe bench`: how fast a model runs here, beside what the machine allows."""

from __future__ import annotations

import argparse
import json

from ..bench import BenchReport, measure
from ..system import format_size
from . import options as opt
from .output import Progress, passing, table


def main(options: argparse.Namespace) -> int:
    loading = Progress("loading weights", "bytes")
    running: dict[str, Progress] = {}

    def report(what: str, done: int, total: int) -> None:
        if what not in running:
            for shown in (loading, *running.values()):
                shown.done()
            passing(f"{what} …")
        running.setdefault(what, Progress(what))(done, total)

    try:
        found = measure(lambda: opt.open_model(options, loading), options.prompt_tokens, options.tokens, report)
    finally:
        passing("")
    print(json.dumps(found.as_dict(), ensure_ascii=False, indent=2) if options.json else text(found))
    return 0


def text(r: BenchReport) -> str:
    experts = f"{r.experts_per_token} experts a token"
    if r.experts_per_token != r.trained_experts_per_token:
        experts += f" instead of {r.trained_experts_per_token}"
    p, d, b = r.prefill, r.decode, r.bound
    from_disk = f", {format_size(d.bytes_read_per_token)} a token from disk" if d.bytes_read_per_token else ""
    from_host = ""
    if d.bytes_moved_per_token:
        moved = format_size(d.bytes_moved_per_token)
        from_host = f" of the card, {100 * d.host_hit_rate:.0f} % in the host's, {moved} a token moved to it"
    limits = []
    if b.memory_rate is not None and b.memory_tokens_per_second is not None:
        limits.append(
            f"memory {b.memory_rate / 1e9:.1f} GB/s over {format_size(r.bytes_per_token)} a token: "
            f"{b.memory_tokens_per_second:.1f} tokens/s"
        )
    if b.disk_tokens_per_second is not None:
        limits.append(
            f"disk {b.disk_rate / 1e9:.2f} GB/s over {format_size(d.bytes_read_per_token)} a token: "
            f"{b.disk_tokens_per_second:.1f} tokens/s"
        )
    kinds = ", ".join(f"{kind} {1e3 * s:.1f} ms" for kind, s in d.seconds_by_kind.items() if s >= 5e-5)
    # On a GPU the kinds are the host's time, which says nothing of the kernels'.
    token = [("a token", f"{kinds}; reads under way for {100 * d.disk_share:.0f} % of it")]
    rows = [
        ("run", f"{r.backend}, {r.kernels} kernels, {r.threads} thread{'s' * (r.threads > 1)}, {r.reader} reader"),
        ("budget", f"{format_size(r.budget)}, room for {100 * r.experts_cached:.0f} % of the experts, {experts}"),
        ("loading", f"{r.load_seconds:.1f} s"),
        ("prefill", f"{p.tokens_per_second:.1f} tokens/s over {p.tokens}, {100 * p.waiting_share:.0f} % waiting"),
        ("decode", f"{d.tokens_per_second:.2f} tokens/s over {d.tokens}, {100 * d.waiting_share:.0f} % waiting"),
        *(token if r.backend == "cpu" else []),
        ("experts", f"{100 * d.hit_rate:.0f} % found in memory{from_host}{from_disk}"),
        *(("limit" if i == 0 else "", limit) for i, limit in enumerate(limits)),
    ]
    if r.reader == "buffered" and d.bytes_read_per_token:
        rows.append(("", "reads go through the system's page cache: what it holds comes faster than the disk allows"))
    if r.share_of_bound is not None:
        share = f"{100 * r.share_of_bound:.0f} % of the {b.tokens_per_second:.2f} tokens/s"
        rows.append(("reached", f"{share} that {b.limit} allows"))
    return f"{r.model}\n{table(rows)}"
