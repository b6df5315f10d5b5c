"""The plots, from the result files alone. Needs matplotlib (the `bench` extra)."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import report
from .report import Results

GIB = 1 << 30
COLOURS = {"flashmoe": "#0b6e4f", "llama": "#c1440e", "llama-mmap": "#e09f3e", "llama-mmap@128": "#8d5524"}

WORK = {  # keys of a decode result, from below
    "delta": ("Gated DeltaNet", "#0b6e4f"),
    "attention": ("full attention", "#14a076"),
    "router": ("router and guesses", "#e09f3e"),
    "shared": ("shared expert", "#7fb2d9"),
    "experts": ("experts", "#1b6ca8"),
    "ends": ("embedding and head", "#8d5524"),
    "waiting": ("waiting for reads", "#bbbbbb"),
}


def _colour(name: str, i: int) -> str:
    return COLOURS.get(name, f"C{i}")


def budget(results: Results, axes: Any) -> bool:
    """Decode against the memory limit, everything in memory at the right end, with the bound."""
    points: dict[str, list[tuple[float, float]]] = {}
    bounds: list[tuple[float, float]] = []
    for _, data in report.budgets(results):
        limit = data["limit"] / GIB
        for name, run in data["engines"].items():
            if run["rounds"]:
                seconds = statistics.median(r["mean_seconds"] for r in run["rounds"])
                points.setdefault(name, []).append((limit, 1 / seconds))
            if "bound" in run:
                bounds.append((limit, 1 / run["bound"]["seconds"]))
    for name, run in report.resident(results).items():
        size = max(run["peak"]) / GIB
        points.setdefault(name, []).append((size, 1 / statistics.median(run["decode"])))
        if "bound" in run:
            bounds.append((size, 1 / statistics.median(run["bound"])))
    if not points:
        return False
    axes.plot(*zip(*sorted(bounds), strict=True), "--", color="0.5", label="bound: min(memory, disk) at our hit rate")
    for i, (name, found) in enumerate(points.items()):
        axes.plot(*zip(*sorted(found), strict=True), "o-", color=_colour(name, i), label=name)
    axes.set(
        xlabel="memory limit, GiB (rightmost: everything in memory)", ylabel="decode, tokens per second", yscale="log"
    )
    axes.legend()
    return True


def token_time(results: Results, axes: Any) -> bool:
    """Where a token's time goes, by memory limit."""
    columns: list[tuple[str, dict[str, Any]]] = []
    for text, data in report.budgets(results):
        run = data["engines"].get("flashmoe", {})
        if run.get("rounds"):
            columns.append((text, {key: statistics.median(r[key] for r in run["rounds"]) for key in run["rounds"][0]}))
            columns[-1][1]["least"] = run["bound"]["disk_seconds"]
    runs = [
        run["flashmoe"]["decode"] for run in report.series(results, "resident") if "decode" in run.get("flashmoe", {})
    ]
    if runs:
        columns.append(("all", {key: statistics.median(r[key] for r in runs) for key in runs[0]}))
    if not columns:
        return False
    names = [name for name, _ in columns]
    below = [0.0] * len(columns)
    for kind, (label, colour) in WORK.items():
        height = [1e3 * c.get(kind, 0.0) for _, c in columns]
        axes.bar(names, height, bottom=below, label=label, color=colour)
        below = [a + b for a, b in zip(below, height, strict=True)]
    axes.bar(names, [1e3 * c["mean_seconds"] - b for (_, c), b in zip(columns, below, strict=True)], bottom=below,
             label="other", color="#e8e8e8")  # fmt: skip
    for i, (_, c) in enumerate(columns):
        for key, label, style in (("least", "least time of the reads", "-"), ("disk", "reads under way", ":")):
            axes.plot([i - 0.4, i + 0.4], [1e3 * c.get(key, 0.0)] * 2, color="black", lw=2, ls=style,
                      label=None if i else label)  # fmt: skip
    axes.set(xlabel="memory limit", ylabel="milliseconds per decoded token")
    axes.legend()
    return True


def hit_rate(results: Results, axes: Any) -> bool:
    """Hit rate against cache size: replayed, and as reached."""
    found = [
        result["data"] for name, result in results.items() if name.startswith("hits-") and "curve" in result["data"]
    ]
    if not found:
        return False
    curve = found[0]["curve"]
    share = [100 * point["share"] for point in curve]
    axes.plot(share, [100 * point["belady"] for point in curve], "--", color="0.5", label="Belady (knows the future)")
    axes.plot(share, [100 * point["lru"] for point in curve], "-", color="#1b6ca8", label="LRU, replayed")
    for i, data in enumerate(found):
        at = 100 * data["opened"]["cache_slots"] / data["opened"]["experts"]
        axes.plot(
            [at],
            [100 * data["decode"]["hit_rate"]],
            "o",
            color=COLOURS["flashmoe"],
            label="flashmoe" if i == 0 else None,
        )
    axes.set(xlabel="experts in the cache, % of all", ylabel="hit rate, %", xlim=(0, 100), ylim=(0, 100))
    axes.legend()
    return True


def threads(results: Results, axes: Any) -> bool:
    """Memory read by threads: plain reading and the 4-bit kernels."""
    if "machine" not in results:
        return False
    memory = results["machine"]["data"]["memory"]
    axes.plot(
        [int(n) for n in memory], [rate / 1e9 for rate in memory.values()], "s--", color="0.5", label="plain reading"
    )
    lines: dict[str, list[tuple[int, float]]] = {}
    for k in results.get("kernels", {}).get("data", {}).get("kernels", []):
        if k.get("tokens") == 1 and k["bits"] == 4 and k.get("group", 64) == 64:
            lines.setdefault(f"4 bits, {k['rows']} x {k['cols']}", []).append((k["threads"], k["gbps"]))
    for label, points in lines.items():
        axes.plot(*zip(*sorted(points), strict=True), "o-", label=label)
    axes.set(xlabel="threads", ylabel="GB/s of weight bytes", ylim=(0, None), xticks=[int(n) for n in memory])
    axes.legend()
    return True


def growth(results: Results, axes: Any) -> bool:
    """Decode and prefill against the length of the context."""
    if "growth" not in results:
        return False
    d = results["growth"]["data"]
    for key, label, colour in (("decode_seconds", "decode, a token", "#0b6e4f"),
                               ("prefill_seconds_a_token", "prefill, a token", "#1b6ca8")):  # fmt: skip
        axes.plot([int(n) for n in d[key]], [1e3 * s for s in d[key].values()], "o-", color=colour, label=label)
    axes.set(
        xlabel=f"context or prompt, tokens ({d['layers']} layers)", ylabel="milliseconds", xscale="log", ylim=(0, None)
    )
    axes.set_xscale("log", base=2)
    axes.legend()
    return True


def layers(results: Results, axes: Any) -> bool:
    """Time of a decoded token against the number of layers."""
    if "layers" not in results:
        return False
    d = results["layers"]["data"]
    count = [0, *(point["layers"] for point in d["points"])]
    axes.plot(count, [1e3 * (d["ends_seconds"] + n * d["layer_seconds"]) for n in count], "--", color="0.5",
              label=f"{1e3 * d['ends_seconds']:.1f} ms + {1e3 * d['layer_seconds']:.2f} ms a layer")  # fmt: skip
    axes.plot(
        count[1:], [1e3 * point["decode_seconds"] for point in d["points"]], "o", color="#0b6e4f", label="measured"
    )
    axes.set(xlabel="layers", ylabel="milliseconds per decoded token", ylim=(0, None), xlim=(0, None))
    axes.legend()
    return True


PLOTS: dict[str, Callable[[Results, Any], bool]] = {
    "budget": budget,
    "token-time": token_time,
    "hit-rate": hit_rate,
    "threads": threads,
    "growth": growth,
    "layers": layers,
}


def write(results: Results, out: Path) -> None:
    """One SVG for each plot that has results."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "flashmoe", "font.size": 9, "axes.grid": True, "grid.alpha": 0.3})
    from matplotlib import pyplot

    for name, draw in PLOTS.items():
        figure, axes = pyplot.subplots(figsize=(6.4, 3.8), layout="constrained")
        if draw(results, axes):
            axes.spines[["top", "right"]].set_visible(False)
            figure.savefig(out / f"{name}.svg", metadata={"Date": None})
        pyplot.close(figure)
