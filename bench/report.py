"""What came out, for people: a Markdown table of every level and the plots, from the result files alone."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from flashmoe.system import format_size

Results = dict[str, dict[str, Any]]


def load(folder: Path) -> Results:
    """The results by name of their job."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
    return {name: result for name, result in found.items() if "refused" not in result["data"]}


def measured(path: Path) -> bool:
    """Whether this is the result of a job that the machine allowed."""
    return path.exists() and "refused" not in json.loads(path.read_text())["data"]


def refusals(folder: Path) -> str:
    """The jobs that this machine did not allow, and why."""
    found = {path.stem: json.loads(path.read_text())["data"].get("refused") for path in sorted(folder.glob("*.json"))}
    lines = "".join(f"* {name}: {why}\n" for name, why in found.items() if why)
    return f"\n## Not measured\n\n{lines}" if lines else ""


def over(peak: float, opened: dict[str, Any]) -> str:
    """How far the peak of the resident set lies from the budget; 150 MiB above it is what may be."""
    if "budget" not in opened:
        return ""
    beyond = (peak - opened["budget"]) / (1 << 20)
    return f"{beyond:+.0f} MiB" + ("" if beyond <= 150 else " (too much)")


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines) + "\n"


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def middle(values: list[float]) -> float:
    return statistics.median(values)


def series(results: Results, prefix: str) -> list[dict[str, Any]]:
    """Data of the jobs of this name with a number behind it."""
    return [
        results[name]["data"]
        for name in sorted(results)
        if name.startswith(prefix + "-") and name[len(prefix) + 1 :].isdigit()
    ]


def budgets(results: Results, kind: str = "") -> list[tuple[str, dict[str, Any]]]:
    """(budget as written, data) of the limited jobs, smallest first. kind: "" for decode, "-prompt" for prompts."""
    found = []
    for name, result in results.items():
        text = name.removeprefix("limit-").removesuffix(kind) if name.endswith(kind) else ""
        if name.startswith("limit-") and "-" not in text and text and "limit" in result["data"]:
            found.append((text, result["data"]))
    return sorted(found, key=lambda pair: pair[1]["limit"])


def resident(results: Results) -> dict[str, dict[str, list[float]]]:
    """By engine: seconds of a decoded token, and of prompts by their length, one for each round."""
    found: dict[str, dict[str, list[float]]] = {}
    long = [results["resident-long"]["data"]] if "resident-long" in results else []
    for data in (*series(results, "resident"), *long):
        for name, run in data.items():
            if "decode" not in run:
                continue
            one = found.setdefault(name, {"decode": [], "peak": []})
            one["decode"].append(run["decode"]["seconds"])
            one["peak"].append(run["peak_rss"])
            for n, seconds in run["prefill"].items():
                one.setdefault(n, []).append(seconds)
            if "bound" in run:
                one.setdefault("bound", []).append(run["bound"]["seconds"])
    return found


def _resident(results: Results) -> str:
    rows = []
    found = resident(results)
    for name, run in found.items():
        decode = [1 / s for s in run["decode"]]
        share = (
            percent(middle([b / s for b, s in zip(run["bound"], run["decode"], strict=True)])) if "bound" in run else ""
        )
        prompts = [f"{n} tokens: {int(n) / middle(run[n]):.1f} ({len(run[n])})" for n in run if n.isdigit()]
        rows.append([name, f"{middle(decode):.2f}", f"{min(decode):.2f} to {max(decode):.2f} ({len(decode)})", share,
                     "; ".join(prompts), format_size(max(run["peak"]))])  # fmt: skip
    header = ["engine", "decode, tokens/s", "range (runs)", "of the bound", "prefill, tokens/s (runs)", "peak RSS"]
    return "## All in memory\n\n" + table(header, rows) if rows else ""


def _limited(results: Results) -> str:
    prompts = dict(budgets(results, "-prompt"))
    rows = []
    for text, data in budgets(results):
        for name, run in data["engines"].items():
            prefill = ""
            asked = prompts.get(text, {}).get("engines", {}).get(name, {})
            if asked.get("rounds"):
                n = results[f"limit-{text}-prompt"]["setting"]["prompt"]
                prefill = f"{n / middle([r['seconds'] for r in asked['rounds']]):.1f}"
            if not run["rounds"]:
                rows.append([text, name, run.get("died", ""), "", "", "", prefill, "", ""])
                continue
            decode = [1 / r["mean_seconds"] for r in run["rounds"]]
            share = hit = ""
            if "bound" in run:
                share = percent(run["bound"]["seconds"] / middle([r["mean_seconds"] for r in run["rounds"]]))
                hit = percent(middle([r["hit_rate"] for r in run["rounds"]]))
            rows.append([text, name, f"{middle(decode):.2f}", f"{min(decode):.2f} to {max(decode):.2f} ({len(decode)})",
                         share, hit, prefill, format_size(run["peaks"]["peak_rss"]),
                         over(run["peaks"]["peak_rss"], run["opened"])])  # fmt: skip
    for name, result in results.items():
        for engine, run in result["data"].get("engines", {}).items() if name.startswith("limit-") else ():
            if len(result["data"]["engines"]) == 1 and "died" in run and engine != "flashmoe":
                rows.append([name.split("-")[1], engine, run["died"], "", "", "", "", ""])
    header = [
        "limit",
        "engine",
        "decode, tokens/s",
        "range (turns)",
        "of the bound",
        "hit rate",
        "prefill, tokens/s",
        "peak RSS",
        "beside the budget",
    ]
    settings = [results[f"limit-{text}"]["setting"] for text, _ in budgets(results)]
    turns = sorted({(s["warm_prompt"], s["warm_tokens"]) for s in settings if "warm_prompt" in s})
    warm = "".join(f"Before, every engine took a prompt of {n} tokens and {m} decoded ones. " for n, m in turns)
    for share in sorted({s["surprise"] for s in settings if s.get("surprise") is not None}):
        warm += f"Of a layer's experts {percent(share)} cannot be guessed from the layer before. "
    warm += "Engines take turns. A budget may be passed by 150 MiB.\n\n"
    return "## Under a memory limit\n\n" + warm + table(header, rows) if rows else ""


def _machine(results: Results) -> str:
    if "machine" not in results:
        return ""
    result = results["machine"]
    data, who = result["data"], result["machine"]
    rows = []
    for size, kinds in data["disk"].items():
        for kind, rates in kinds.items():
            cells = [f"{rates[depth] / 1e9:.2f}" if depth in rates else "" for depth in ("1", "4", "16")]
            rows.append([f"{int(size) >> 10} KiB", kind, *cells])
    memory = ", ".join(f"{rate / 1e9:.1f} GB/s on {n}" for n, rate in data["memory"].items())
    limit = format_size(who["memory_limit"]) if who["memory_limit"] is not None else "none"
    return (
        f"## The machine\n\n{who['processor']}, {who['cores']} cores ({', '.join(who['features'])}); memory "
        f"{format_size(who['memory_total'])}, limit of the control group {limit}, read at {memory} threads; read-ahead "
        f"{data['read_ahead_kib']} KiB. Disk, GB/s:\n\n" + table(["read", "kind", "depth 1", "4", "16"], rows)
    )


def _kernels(results: Results) -> str:
    if "kernels" not in results:
        return ""
    rows = []
    for k in results["kernels"]["data"]["kernels"]:
        if k["tokens"] == 1:
            what = [k["format"], f"{k['rows']} x {k['cols']}", str(k["threads"])]
            rows.append([*what, f"{k['gbps']:.1f}", percent(k["share"])])
    return "## Kernels, one token\n\n" + table(["weights", "matrix", "threads", "GB/s", "of memory"], rows)


def _hits(results: Results) -> str:
    rows = []
    for name, result in sorted(results.items(), key=lambda pair: pair[1]["data"].get("limit", 0)):
        if not name.startswith("hits-"):
            continue
        d = result["data"]
        slots = d["opened"]["cache_slots"]
        point = next(p for p in d["curve"] if p["slots"] == slots)
        rows.append([name[5:], percent(point["share"]), percent(d["decode"]["hit_rate"]), percent(point["lru"]),
                     percent(point["belady"]), f"{1 / d['decode']['mean_seconds']:.2f}",
                     percent(d["bound"]["seconds"] / d["decode"]["mean_seconds"]),
                     f"{100 * (d['decode']['hit_rate'] - point['lru']):+.1f}",
                     over(d["peak_rss"], d["opened"])])  # fmt: skip
    header = ["limit", "experts cached", "hit rate", "LRU replayed", "Belady", "tokens/s", "of the bound",
              "points above LRU", "peak RSS beside the budget"]  # fmt: skip
    return "## Over many tokens\n\n" + table(header, rows) if rows else ""


def _line(name: str, d: dict[str, Any]) -> str:
    if name.startswith("prompt-"):
        seconds = [run["seconds"] for run in d["runs"]]
        reading, computing, longer = (
            middle([run[key] for run in d["runs"]])
            for key in ("seconds_reading_once", "seconds_computing", "of_the_longer")
        )
        return (
            f"First token of {d['prompt']} tokens in {name[7:]}: {middle(seconds):.1f} s ({min(seconds):.1f} to "
            f"{max(seconds):.1f}, {len(seconds)} runs); reading all experts once takes {reading:.1f} s, the arithmetic "
            f"{computing:.1f} s: {longer:.2f} times the longer. Peak RSS {over(d['peak_rss'], d['opened'])} beside the "
            "budget."
        )
    if name == "layers":
        return (
            f"A layer of one token takes {1e3 * d['layer_seconds']:.2f} ms, "
            f"{percent(d['layer_share_of_memory_rate'])} of the memory's rate over its "
            f"{format_size(d['layer_bytes'])}; embedding and head {1e3 * d['ends_seconds']:.2f} ms."
        )
    if name == "start":
        return (
            f"From command to the demo model's first character {middle(d['demo_first_token']):.2f} s; opening the "
            f"large model {middle(d['open']):.2f} s."
        )
    if name == "growth":
        decode = ", ".join(f"{n}: {1e3 * s:.2f} ms" for n, s in d["decode_seconds"].items())
        prefill = ", ".join(f"{n}: {1e3 * s:.2f} ms a token" for n, s in d["prefill_seconds_a_token"].items())
        return f"On {d['layers']} layers, decode by context: {decode}; prefill by length: {prefill}."
    return ""


def _rest(results: Results) -> str:
    lines = [line for name, result in results.items() if (line := _line(name, result["data"]))]
    text = "".join(f"* {line}\n" for line in lines)
    return f"## Prompts, layers, growth, start\n\n{text}" if lines else ""


def markdown(results: Results) -> str:
    parts = (_machine, _kernels, _resident, _limited, _hits, _rest)
    commits = sorted({result["machine"]["commit"] for result in results.values()})
    commands = sorted({result["machine"]["command"] for result in results.values()})
    head = f"# Results\n\nCommit {', '.join(commits)}. " + " ".join(f"`{command}`" for command in commands) + "\n"
    return "\n".join([head, *(text for text in (part(results) for part in parts) if text)])


def write(folder: Path, out: Path) -> None:
    """report.md and plots in `out`, from the results in `folder`."""
    from . import plots

    results = load(folder)
    (out / "report.md").write_text(markdown(results) + refusals(folder))
    plots.write(results, out)
