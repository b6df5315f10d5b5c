"""`flashmoe info`: what a checkpoint is and what it would take to run it."""

from __future__ import annotations

import argparse
import json

from ..errors import MemoryBudgetError, UsageError
from ..info import HIT_RATES, Info, describe
from ..model import open_spec, plan_memory
from ..plan import MemoryPlan
from ..system import format_size
from .output import table


def main(options: argparse.Namespace) -> int:
    rates = options.hit_rate or HIT_RATES
    if any(not 0 <= rate <= 100 for rate in rates):
        raise UsageError("--hit-rate should be between 0 and 100 percent")
    spec = open_spec(options.model if options.target is None else options.target)
    plan: MemoryPlan | None = None
    refused: MemoryBudgetError | None = None
    try:
        plan = plan_memory(
            spec,
            backend=options.backend,
            memory=options.memory,
            host_memory=options.host_memory,
            experts_per_token=options.experts_per_token,
            threads=options.threads,
            context=options.context,
        )
    except MemoryBudgetError as error:
        refused = error
    info = describe(spec, plan, rates)
    print(json.dumps(info.as_dict(), ensure_ascii=False, indent=2) if options.json else _text(info))
    if refused is not None:
        raise refused
    return 0


def _text(info: Info) -> str:
    s = info.shape
    lines = [
        f"{info.path}",
        f"{info.model_type}, {info.source} layout, {info.files} file{'s' * (info.files != 1)}, "
        f"{format_size(info.file_bytes)}",
        f"{count(info.parameters)} parameters, {count(info.active)} of them used for a token",
        "",
        table(
            [
                ("layers", f"{s['layers']}: {s['full_attention_layers']} of full attention, "
                           f"{s['linear_attention_layers']} of linear"),
                ("hidden", f"{s['hidden']:,}"),
                ("vocabulary", f"{s['vocabulary']:,}, head {'tied' if s['tied_head'] else 'of its own'}"),
                ("full attention", f"{s['heads']} heads, {s['kv_heads']} for keys and values, "
                                   f"of {s['head_dim']} ({s['rope_dim']} rotated)"),
                ("linear attention", f"{s['linear_key_heads']} key heads of {s['linear_key_dim']}, "
                                     f"{s['linear_value_heads']} value heads of {s['linear_value_dim']}"),
                ("experts", f"{s['experts']} a layer, {s['experts_per_token']} a token, "
                            f"width {s['expert_width']:,}; shared expert {s['shared_expert_width']:,}"),
                ("trained context", f"{s['trained_context']:,} tokens"),
            ]
        ),
        "",
        table(
            [("weights", "parameters", "a token", "stored", "as")]
            + [
                (p.name, count(p.parameters), count(p.active), format_size(p.bytes), "; ".join(p.formats))
                for p in info.parts
            ],
            right=(1, 2, 3),
        ),
    ]  # fmt: skip
    lines += [f"not used: {text}" for text in info.notes]
    if info.plan is not None:
        lines += ["", str(info.plan), "", "one token reads, by the share of experts found in memory:"]
        rows = [
            (f"{read.hit_rate:g} %", format_size(read.memory), format_size(read.disk)) for read in info.reads
        ]
        lines.append(table([("found", "memory", "disk"), *rows], right=(0, 1, 2)))
    return "\n".join(lines)


def count(number: int) -> str:
    """A number of parameters for people: "35.1 B"."""
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return str(number)
