"""What is measured: each function is one job, run alone in a process of its own, and returns what goes into its result.

A job ends within about five minutes, so that a machine can be kept still for it and a stopped suite loses little. Rates
are bytes per second, times seconds. The memory's and the disk's rate are measured within the job that needs them,
because a shared machine's change from minute to minute.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import flashmoe
from flashmoe import doctor
from flashmoe.session import KINDS

from . import machine, models, replay
from .engines import Died, Engine, by_program
from .isolate import ROOT
from .streams import stream

GIB = 1 << 30
Result = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """What every job is given. mlx: the folder; gguf: the file or ""; work: for small things."""

    mlx: str
    gguf: str
    work: str
    stream: str = "local"
    tokens: int = 32  # decoded for a figure
    prompt: int = 512
    # Before decode is measured under a limit, for every engine alike: tokens of a prompt, and decoded.
    warm_prompt: int = 128
    warm_tokens: int = 16
    surprise: float | None = None  # of the model's routers (models.py), where it was made here
    program: str = ""  # for the engine llama-bench

    @property
    def models(self) -> dict[str, str]:
        return {"mlx": self.mlx, "gguf": self.gguf}

    @property
    def large_file(self) -> Path:
        return max(Path(self.mlx).glob("*.safetensors"), key=lambda path: path.stat().st_size)

    def ids(self, n: int, seed: int = 1) -> list[int]:
        config = json.loads((Path(self.mlx) / "config.json").read_text())
        vocab = config.get("text_config", config)["vocab_size"]
        return stream(self.stream, vocab, n, seed).tolist()


def whole(setting: Setting, context: int = 4096) -> int:
    """The budget in bytes in which all experts stay in memory."""
    spec = flashmoe.open_spec(setting.mlx)
    return flashmoe.plan_memory(spec, memory=1 << 50, context=context).used


def rates(setting: Setting, plan: Result) -> Result:
    """Memory on the threads that compute, disk with reads as large as a third of an expert."""
    expert = plan["experts_total"] // max(1, plan["experts"])
    size = max(4096, expert // 3 // 4096 * 4096)
    return {"memory": machine.memory_rate(plan["threads"]), "disk": machine.disk_rate(setting.large_file, size)}


def better(first: Result, second: Result) -> Result:
    """Whatever else runs only slows a measurement."""
    return {name: max(first[name], second[name]) for name in first}


def decoded(seconds: Sequence[float], stats: Result | None) -> Result:
    found: Result = {
        "seconds": statistics.median(seconds),
        "mean_seconds": statistics.fmean(seconds),
        "tokens": len(seconds),
    }
    if stats:
        asked = stats["expert_hits"] + stats["expert_misses"]
        found |= {
            "hit_rate": stats["expert_hits"] / max(1, asked),
            "bytes_read": stats["bytes_read"] / len(seconds),
            "reading": stats["seconds_reading"] / len(seconds),
            "disk": stats["seconds_disk"] / len(seconds),
            "waiting": stats["seconds_waiting"] / len(seconds),
        }
        found |= {kind: stats[f"seconds_{kind}"] / len(seconds) for kind in KINDS}
    return found


def bound(plan: Result, rate: Result, bytes_read: float) -> Result:
    """Least seconds of a decoded token."""
    memory = (plan["dense_bytes_per_token"] + plan["expert_bytes_per_token"]) / rate["memory"]
    disk = bytes_read / rate["disk"]
    return {"memory_seconds": memory, "disk_seconds": disk, "seconds": max(memory, disk)}


# ---- jobs


def facts(setting: Setting, seconds: float = 0.4) -> Result:
    return machine.facts(setting.large_file, seconds)


def kernels(setting: Setting) -> Result:
    """bench/kernels.c, built here in Release mode. Builds what is missing."""
    build = ROOT / "build" / "bench-native"
    options = ["-DFLASHMOE_PYTHON=OFF", "-DFLASHMOE_BENCH=ON", "-DCMAKE_BUILD_TYPE=Release"]
    subprocess.run(["cmake", "-S", str(ROOT), "-B", str(build), *options], check=True, stdout=sys.stderr)
    subprocess.run(["cmake", "--build", str(build), "--target", "bench_kernels"], check=True, stdout=sys.stderr)
    found = subprocess.run([str(build / "bench_kernels"), "--json"], check=True, capture_output=True, text=True)
    return {"kernels": json.loads(found.stdout)}


def fill(engine: Engine, setting: Setting) -> None:
    """Reads the experts into the cache: with uniform routing 512 tokens choose each of 256 some 16 times."""
    engine("prefill", ids=replace(setting, stream="uniform").ids(512, seed=9))


def resident(setting: Setting, engines: Sequence[str], prompts: Sequence[int]) -> Result:
    """All of the model in memory: prompts, then decode. Engines one after the other, each loads anew."""
    found: Result = {}
    for name in engines:
        options = {"memory": whole(setting)} if name == "flashmoe" else {}
        if name == "llama-bench":
            try:
                found[name] = by_program(setting.program, setting.gguf, prompts, setting.tokens)
            except Died as error:
                found[name] = {"died": str(error)}
            continue
        try:
            with Engine(name, setting.models, **options) as engine:
                opened = engine.open()
                first = rates(setting, opened) if name == "flashmoe" else None
                if name == "flashmoe":  # a peer reads all of its weights while it opens
                    fill(engine, setting)
                prefill = {}
                for n in prompts:
                    engine("new")
                    prefill[str(n)] = engine("prefill", ids=setting.ids(n))["seconds"]
                engine("decode", ids=setting.ids(8, seed=2))
                answer = engine("decode", ids=setting.ids(setting.tokens, seed=3))
                found[name] = {
                    "opened": opened, "prefill": prefill, "decode": decoded(answer["seconds"], answer.get("stats"))
                }  # fmt: skip
                if first:
                    rate = better(first, rates(setting, opened))
                    read = found[name]["decode"]["bytes_read"]
                    found[name] |= {"rates": rate, "bound": bound(opened, rate, read)}
            found[name] |= engine.peaks
        except Died as error:
            found[name] = {"died": str(error), **engine.peaks}
    return found


def limited(setting: Setting, engines: Sequence[str], limit: int, rounds: int, prompt: bool) -> Result:
    """Within a memory limit from outside: prompts, or decode, in turns. All engines are open at once where the machine
    has the memory for that, the others stopped while one runs; else each is opened anew in every round."""
    together = len(engines) * limit + 2 * GIB < doctor.memory_available()
    found: Result = {name: {"rounds": []} for name in engines}
    if together:
        _turns(setting, engines, limit, rounds, prompt, found)
    else:
        for _ in range(rounds):
            for name in engines:
                _turns(setting, [name], limit, 1, prompt, found)
    return {"limit": limit, "engines": found}


def _turns(setting: Setting, engines: Sequence[str], limit: int, rounds: int, prompt: bool, found: Result) -> None:
    opened: dict[str, Engine] = {}
    try:
        for name in engines:
            engine = Engine(name, setting.models, limit).__enter__()
            opened[name] = engine
            try:
                found[name]["opened"] = engine.open()
                if name == "flashmoe":
                    found[name]["first_rates"] = rates(setting, found[name]["opened"])
                if not prompt:
                    engine("prefill", ids=setting.ids(setting.warm_prompt))
                    engine("decode", ids=setting.ids(setting.warm_tokens, seed=2))
            except Died as error:
                found[name]["died"] = str(error)
            engine.pause()
        for number in range(rounds):
            for name, engine in opened.items():
                if "died" in found[name]:
                    continue
                engine.resume()
                try:
                    if prompt:
                        engine("new")
                        answer = engine("prefill", ids=setting.ids(setting.prompt, seed=10 + number))
                        found[name]["rounds"].append({"seconds": answer["seconds"], "stats": answer.get("stats")})
                    else:
                        # A slow engine gets fewer tokens of the same stream.
                        n = setting.tokens if name == "flashmoe" else setting.tokens // 4
                        answer = engine("decode", ids=setting.ids(n, seed=10 + number))
                        found[name]["rounds"].append(decoded(answer["seconds"], answer.get("stats")))
                except Died as error:
                    found[name]["died"] = str(error)
                engine.pause()
    finally:
        for name, engine in opened.items():
            engine.resume()
            engine.__exit__(None, None, None)
            before = found[name].get("peaks", {})
            found[name]["peaks"] = {key: max(value, before.get(key, 0)) for key, value in engine.peaks.items()}
    ours = found.get("flashmoe", {})
    if "first_rates" in ours and ours["rounds"] and "died" not in ours:
        ours["rates"] = better(ours.pop("first_rates"), rates(setting, ours["opened"]))
        if not prompt:
            read = statistics.median(round["bytes_read"] for round in ours["rounds"])
            ours["bound"] = bound(ours["opened"], ours["rates"], read)


def first_token(setting: Setting, limit: int, prompt: int, rounds: int) -> Result:
    """A long prompt within a limit, each time in a fresh process: seconds, and what the disk alone would take."""
    runs, peak = [], 0
    for number in range(rounds):
        with Engine("flashmoe", setting.models, limit) as engine:
            opened = engine.open()
            rate = rates(setting, opened)
            answer = engine("prefill", ids=setting.ids(prompt, seed=20 + number))
            rate = better(rate, rates(setting, opened))
        peak = max(peak, engine.peaks["peak_rss"])
        stats = answer["stats"]
        reading, computing = opened["experts_total"] / rate["disk"], stats["seconds"] - stats["seconds_waiting"]
        runs.append({
            "seconds": answer["seconds"], "stats": stats, "rates": rate, "seconds_reading_once": reading,
            "seconds_computing": computing, "of_the_longer": answer["seconds"] / max(reading, computing),
        })  # fmt: skip
    return {"limit": limit, "prompt": prompt, "runs": runs, "opened": opened, "peak_rss": peak}


def hits(setting: Setting, limit: int, tokens: int) -> Result:
    """Decode of many tokens within a limit: the hit rate reached, beside caches replayed from the routing."""
    warm = tokens // 5
    with Engine("flashmoe", setting.models, limit) as engine, tempfile.NamedTemporaryFile(suffix=".npy") as file:
        opened = engine.open()
        engine("record")
        engine("decode", ids=setting.ids(tokens)[:warm])
        answer = engine("decode", ids=setting.ids(tokens)[warm:])
        rate = rates(setting, opened)
        engine("routing", path=file.name)
        trace = np.load(file.name)
    shares = (0.05, 0.08, 0.11, 0.16, 0.22, 0.27, 0.33, 0.4, 0.5, 0.65, 0.8, 1.0)
    curve = []
    for slots in sorted({*(int(share * opened["experts"]) for share in shares), opened["cache_slots"]}):
        curve.append({
            "slots": slots, "share": slots / opened["experts"], "lru": replay.lru(trace, slots, warm),
            "belady": replay.belady(trace, slots, warm),
        })  # fmt: skip
    got = decoded(answer["seconds"], answer["stats"])
    return {
        "limit": limit, "tokens": tokens, "warm": warm, "decode": got, "opened": opened, "curve": curve,
        "repeat": replay.repeat(trace), "rates": rate, "bound": bound(opened, rate, got["bytes_read"]), **engine.peaks,
    }  # fmt: skip


def growth(setting: Setting, prompts: Sequence[int], contexts: Sequence[int], layers: int) -> Result:
    """Prompts of growing length, and decode after ever longer ones, on the first layers of the model, resident."""
    part = models.view(Path(setting.work) / f"view-{layers}", Path(setting.mlx), layers)
    small = Setting(str(part), "", setting.work, setting.stream, setting.tokens)
    longest = max(*prompts, *contexts) + 256
    prefill, decode = {}, {}
    with Engine("flashmoe", small.models, memory=whole(small, longest), context=longest) as engine:
        opened = engine.open()
        fill(engine, small)
        for n in prompts:
            engine("new")
            prefill[str(n)] = engine("prefill", ids=small.ids(n))["seconds"] / n
        engine("new")
        at = 0
        for n in contexts:
            engine("prefill", ids=small.ids(n - at, seed=n))
            engine("decode", ids=small.ids(4, seed=2))
            answer = engine("decode", ids=small.ids(setting.tokens, seed=3))
            decode[str(n)] = statistics.median(answer["seconds"])
            at = n + 4 + setting.tokens
    return {
        "layers": layers,
        "prefill_seconds_a_token": prefill,
        "decode_seconds": decode,
        "opened": opened,
        **engine.peaks,
    }


def layers(setting: Setting, counts: Sequence[int]) -> Result:
    """Decode of the first layers of the model, resident: its slope is a layer, its start is embedding and head."""
    found = []
    for n in counts:
        part = models.view(Path(setting.work) / f"view-{n}", Path(setting.mlx), n)
        small = Setting(str(part), "", setting.work, setting.stream, setting.tokens)
        with Engine("flashmoe", small.models, memory=whole(small)) as engine:
            opened = engine.open()
            fill(engine, small)
            engine("new")
            prefill = engine("prefill", ids=small.ids(512))["seconds"]
            engine("decode", ids=small.ids(8, seed=2))
            answer = engine("decode", ids=small.ids(setting.tokens, seed=3))
        seconds = statistics.median(answer["seconds"])
        weights = opened["dense_bytes_per_token"] + opened["expert_bytes_per_token"]
        found.append({"layers": n, "decode_seconds": seconds, "prefill_seconds": prefill, "bytes_a_token": weights})
    count = [row["layers"] for row in found]
    decode = np.polyfit(count, [row["decode_seconds"] for row in found], 1)
    weights = np.polyfit(count, [row["bytes_a_token"] for row in found], 1)
    rate = machine.memory_rate(doctor.cores())
    return {
        "points": found, "layer_seconds": decode[0], "layer_bytes": weights[0], "ends_seconds": decode[1],
        "memory": rate, "layer_share_of_memory_rate": weights[0] / decode[0] / rate,
    }  # fmt: skip


def start(setting: Setting, rounds: int) -> Result:
    """From the command to the demo model's first token; and opening the large model (metadata and plan)."""
    demo, opening = [], []
    command = [sys.executable, "-m", "flashmoe", "run", "--quiet", "--temperature", "0", "What is the capital of Peru?"]
    program = (
        "import sys, time, flashmoe; start = time.perf_counter();"
        "flashmoe.plan_memory(flashmoe.open_spec(sys.argv[1]), memory=1 << 50); print(time.perf_counter() - start)"
    )
    for _ in range(rounds):
        begun = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=os.environ) as process:
            assert process.stdout is not None
            first = process.stdout.read(1)
            demo.append(time.perf_counter() - begun)
            process.stdout.read()
        if not first:
            raise RuntimeError("the demo model said nothing")
        asked = [sys.executable, "-c", program, setting.mlx]
        opening.append(float(subprocess.run(asked, check=True, capture_output=True, text=True).stdout))
    return {"demo_first_token": demo, "open": opening}
