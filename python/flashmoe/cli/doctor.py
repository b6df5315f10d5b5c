"""`flashmoe doctor`: what this machine can do."""

from __future__ import annotations

import argparse
import json
from typing import Any

from .. import _core
from .._version import __version__
from ..doctor import Report, cores, examine, processor, system
from ..errors import UsageError
from ..gpu import selftest
from ..model import BACKENDS
from ..system import format_size, memory_total, parse_size
from .output import passing, table


def main(options: argparse.Namespace) -> int:
    if options.self_test:
        return _self_test(options.backend, options.json)
    passing("measuring …")
    try:
        report = examine(options.model, parse_size(options.size), 0.2 if options.quick else 1.0)
    finally:
        passing("")
    print(json.dumps(report.as_dict(), ensure_ascii=False, indent=2) if options.json else _text(report))
    return 0


def _self_test(backend: str | None, as_json: bool) -> int:
    """Returns 1 when something failed, or the one backend that was asked for cannot be used."""
    names = [backend] if backend else ["cpu", *(n for n in ("metal", "cuda") if n in _core.device_names())]
    if backend and backend not in BACKENDS[1:]:
        raise UsageError(f"backend {backend!r} does not exist; choose from {', '.join(BACKENDS[1:])}")
    results = [selftest.examine_backend(name, passing) for name in names]
    passing("")
    failed = any(r.failures for r in results) or bool(backend and results[0].refusal)
    machine = {
        "flashmoe": __version__,
        "system": system(),
        "processor": processor(),
        "cores": cores(),
        "gpu_cores": selftest.gpu_cores(),
        "memory": memory_total(),
    }
    if as_json:
        found = {"machine": machine, "passed": not failed, "backends": [r.as_dict() for r in results]}
        print(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        print(_page(machine, results, failed))
    return int(failed)


def _page(machine: dict[str, Any], results: list[selftest.Result], failed: bool) -> str:
    gpu = f", {machine['gpu_cores']} GPU cores" if machine["gpu_cores"] else ""
    rows = [
        ("flashmoe", f"{machine['flashmoe']}, self-test"),
        ("system", machine["system"]),
        ("processor", f"{machine['processor']}, {machine['cores']} cores{gpu}"),
        ("memory", format_size(machine["memory"])),
    ]
    for r in results:
        if r.refusal:
            rows.append((r.backend, f"cannot be used: {r.refusal}"))
            continue
        rows.append((r.backend, f"{len(r.checks) - len(r.failures)} of {len(r.checks)} checks passed"))
        if r.limits:
            least = format_size(r.limits["memory"]) if r.limits["memory"] else "unknown"
            buffer = r.limits["buffer_most"]
            most = f"up to {format_size(buffer)}" if buffer < 1 << 60 else "of any size"
            rows += [
                ("", r.limits["name"]),
                ("", f"memory for the GPU {least}, a buffer {most}"),
                ("", f"{r.limits['threads_most']} threads a group, {r.limits['group_memory'] >> 10} KiB of its memory"),
            ]
        rows += [("FAILED", f"{check.name}: {check.error}") for check in r.failures]
        for speed in r.speeds:
            rate = f"{speed.bytes / speed.seconds / 1e9:,.1f} GB/s"
            rows.append(("", f"{speed.name}: {speed.seconds * 1e6:,.0f} us, {rate}"))
    rows.append(("verdict", "FAILED" if failed else "passed"))
    return table(rows)


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
        *(("", f"{name}: {why or 'can be used'}") for name, why in r.backends.items()),
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
