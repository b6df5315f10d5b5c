"""`flashmoe doctor`: what this machine can do."""

from __future__ import annotations

import argparse
import json
import sys

from ..doctor import Report, examine
from ..system import format_size, parse_size
from .output import CLEAR_LINE, colour, dim, table


def main(options: argparse.Namespace) -> int:
    live = sys.stderr.isatty() and colour()
    if live:
        print(dim("measuring …"), end="", file=sys.stderr, flush=True)
    try:
        report = examine(options.model, parse_size(options.size), 0.2 if options.quick else 1.0)
    finally:
        if live:
            print(CLEAR_LINE, end="", file=sys.stderr, flush=True)
    print(json.dumps(report.as_dict(), ensure_ascii=False, indent=2) if options.json else _text(report))
    return 0


def _text(r: Report) -> str:
    limit = (
        f", its control group allows {format_size(r.memory_limit)} more" if r.memory_limit is not None else ""
    )
    rates = ", ".join(
        f"{rate / 1e9:.1f} GB/s on {n} thread{'s' * (n > 1)}" for n, rate in r.memory_rates.items()
    )
    d = r.disk
    direct = ", ".join(f"{rate / 1e9:.2f} GB/s at depth {depth}" for depth, rate in d.direct.items())
    buffered = ", ".join(f"{rate / 1e9:.2f} GB/s at depth {depth}" for depth, rate in d.buffered.items())
    rows = [
        ("versions", ", ".join(f"{name} {version}" for name, version in r.versions.items())),
        ("system", r.system),
        ("processor", f"{r.processor}, {r.cores} core{'s' * (r.cores != 1)} to use"),
        ("features", ", ".join(r.features) or "none that kernels are written for"),
        ("kernels", ", ".join(r.kernels)),
        ("memory", f"{format_size(r.memory_available)} free of {format_size(r.memory_total)}{limit}"),
        ("", f"budget without --memory: {format_size(r.budget)}"),
        ("memory reads", rates),
        ("disk", f"{d.path}, reads of {format_size(d.read_size)}"),
        ("direct reads", direct or f"not possible: {d.refusal}"),
        ("buffered reads", f"{buffered} (some may come from the page cache)"),
        ("backend", f"{r.backend}: {r.backend_reason}"),
        ("reader", f"{r.reader}: {r.reader_reason}"),
    ]
    if (o := r.outlook) is not None:
        rows += [
            ("outlook", f"{o.model}: a token takes {format_size(o.bytes_per_token)} of weights, "
                        f"{format_size(o.expert_bytes_per_token)} of them in experts"),
            ("", f"at most {o.all_in_memory:,.1f} tokens/s with every expert in memory, "
                 f"{o.none_in_memory:,.1f} with none"),
        ]  # fmt: skip
    return table(rows)
