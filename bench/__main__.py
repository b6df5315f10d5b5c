"""The benchmark suite.

    python -m bench --quick                              8 layers of the 35B shape, a few minutes
    python -m bench --shape 35b --peers llama,llama-mmap@128
    python -m bench --shape 122b,layers=12 --stream ids.txt --levels resident,limit --budgets 4GiB,8GiB

Makes the checkpoint of that shape (and, with peers, the same as GGUF) unless it is there, runs one job after the other,
each in a process of its own, and writes results, a table and plots. A job whose result is there is not run again, so a
suite that was stopped goes on; --again NAME forgets. Levels: machine, start, limit, prompt, hits, resident, kernels,
layers, growth. All of them, with llama.cpp, take about 50 minutes for the 35B shape on two cores.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flashmoe.errors import FlashMoeError
from flashmoe.system import format_size, parse_size

from . import jobs, llama_file, machine, models, report
from .isolate import ROOT
from .progress import Steps
from .shapes import Shape, parse
from .streams import stream

LEVELS = ("machine", "start", "limit", "prompt", "hits", "resident", "kernels", "layers", "growth")
Plan = list[tuple[str, str, dict[str, Any]]]  # (name of the result, function of jobs, arguments)


def plan(o: argparse.Namespace) -> Plan:
    """The jobs of the levels that were asked for, in the order of LEVELS."""
    peers = [name for name in o.peers.split(",") if name]
    budgets = [(text, parse_size(text)) for text in o.budgets.split(",") if text]
    depth = o.shape.layers
    part = min(4, depth)
    steps = (4, 8, 16, depth) if depth >= 8 else (1, 2, depth)
    mapped = [name for name in peers if name.startswith("llama-mmap")]
    program = ["llama-bench"] if o.llama_bench else []
    made: Plan = [
        ("machine", "facts", {"seconds": 0.2 if o.quick else 0.4}),
        ("kernels", "kernels", {}),
        ("start", "start", {"rounds": 5}),
        ("layers", "layers", {"counts": sorted({n for n in steps if n <= depth})}),
        ("growth", "growth", {"prompts": [512, 2048] if o.quick else [512, 2048, 8192, 16384],
                              "contexts": [512, 2048] if o.quick else [512, 8192, 32768], "layers": part}),
    ]  # fmt: skip
    whole = ["flashmoe", *(name for name in peers if name not in mapped)]
    for i in range(o.rounds):
        order = [*whole, *program] if i % 2 == 0 else [*program, *whole[::-1]]
        made.append((f"resident-{i}", "resident", {"engines": order, "prompts": [o.prompt]}))
    if not o.quick:
        made.append(("resident-long", "resident", {"engines": [*whole, *program], "prompts": [4 * o.prompt]}))
    for text, limit in budgets:
        names = ["flashmoe", *mapped]
        made.append(
            (f"limit-{text}", "limited", {"engines": names, "limit": limit, "rounds": o.rounds, "prompt": False})
        )
        made.append((f"limit-{text}-prompt", "limited",
                     {"engines": names, "limit": limit, "rounds": 1, "prompt": True}))  # fmt: skip
        for name in whole[1:]:
            made.append((f"limit-{text}-{name}", "limited", {"engines": [name], "limit": limit, "rounds": 1,
                                                              "prompt": False}))  # fmt: skip
        made.append((f"prompt-{text}", "first_token",
                     {"limit": limit, "prompt": 4 * o.prompt, "rounds": min(3, o.rounds)}))  # fmt: skip
        made.append((f"hits-{text}", "hits", {"limit": limit, "tokens": 100 if o.quick else 500}))
    asked = o.levels.split(",")
    only = o.only.split(",") if o.only else [name for name, _, _ in made]
    made.sort(key=lambda job: LEVELS.index(job[0].split("-")[0]))
    return [job for job in made if job[0].split("-")[0] in asked and job[0] in only]


def peers(o: argparse.Namespace) -> bool:
    """Whether something reads GGUF."""
    return bool(o.peers or o.llama_bench)


def missing(o: argparse.Namespace) -> str:
    """What stands in the way of the suite, as a sentence; "" when nothing does."""
    names = [name for name in o.peers.split(",") if name]
    if wrong := [name for name in names if not re.fullmatch(r"llama(-mmap(@\d+)?)?", name)]:
        return f"{wrong[0]!r} is no peer: write llama, llama-mmap or llama-mmap@KiB, separated by commas"
    if o.peers and importlib.util.find_spec("llama_cpp") is None:
        return "--peers needs llama-cpp-python: pip install llama-cpp-python, or leave --peers away"
    if o.gguf and not o.gguf.exists():
        return f"{o.gguf} does not exist; leave the option away to have it made in {o.work}"
    try:
        stream(o.stream, o.shape.vocab, 1)
    except ValueError as error:
        return str(error)
    if peers(o) and not o.gguf and o.shape.bits != 4:
        return f"{o.shape.bits} bits have no GGUF twin to give to peers: leave them away, or take 4 bits"
    needed = (0 if o.mlx else o.shape.bytes) + (0 if o.gguf or not peers(o) else o.shape.bytes)
    there = sum(file.stat().st_size for path in ("model", "model.gguf") for file in
                ([o.work / path] if (o.work / path).is_file() else (o.work / path).glob("*")))  # fmt: skip
    free = shutil.disk_usage(o.work).free
    if needed - there > free:
        return (f"{o.work} has {format_size(free)} free and the models take another {format_size(needed - there)}: "
                "give --work on another disk, a smaller --shape such as 35b,layers=8, or --mlx and --gguf")  # fmt: skip
    return ""


def run(name: str, function: str, arguments: dict[str, Any], setting: jobs.Setting, out: Path, wrap: list[str]) -> None:
    """One job in its own process, which writes its result."""
    order = {"function": function, "arguments": arguments, "setting": asdict(setting), "out": str(out / f"{name}.json"),
             "argv": sys.argv[1:]}  # fmt: skip
    done = subprocess.run([*wrap, sys.executable, "-m", "bench.job", json.dumps(order)], cwd=ROOT)
    if done.returncode:
        print(f"{name}: failed with status {done.returncode}", file=sys.stderr)


def surprise(model: Path) -> float | None:
    try:
        return models.made(model)[2]
    except ValueError:
        return None


def shape(text: str) -> Shape:
    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--shape", type=shape, default="35b", help="such as 35b or 122b,layers=12 (bench/shapes.py)")
    parser.add_argument("--seed", type=int, default=0, help="of the weights")
    parser.add_argument("--surprise", type=models.share, default=models.SURPRISE,
                        help="share of a layer's experts that cannot be guessed a layer before (0.28)")  # fmt: skip
    parser.add_argument("--stream", default="local", help="local, uniform or a file of token ids (bench/streams.py)")
    parser.add_argument("--peers", default="", help="engines to compare with, separated by commas (bench/engines.py)")
    parser.add_argument("--llama-bench", default="", metavar="COMMAND", help="a llama-bench to compare with, such as "
                        "that of ik_llama.cpp, with its options: 'PATH -rtr 1'")  # fmt: skip
    parser.add_argument("--levels", default=",".join(LEVELS), help="which, separated by commas")
    parser.add_argument("--budgets", default="4GiB,8GiB,12GiB", help="memory limits, separated by commas")
    parser.add_argument("--rounds", type=int, default=5, help="alternating runs of each engine (5)")
    parser.add_argument("--tokens", type=int, default=32, help="decoded for one figure (32)")
    parser.add_argument("--prompt", type=int, default=512, help="tokens of a prompt (512)")
    parser.add_argument("--quick", action="store_true", help="a small model and few rounds: under five minutes")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "bench", help="for models and results")
    parser.add_argument("--mlx", type=Path, help="a checkpoint that is there, instead of one made here")
    parser.add_argument("--gguf", type=Path, help="the same as GGUF")
    parser.add_argument("--only", default="", metavar="NAMES", help="of the jobs, only these (--list names them)")
    parser.add_argument("--again", default="", metavar="NAMES", help="jobs to run again, separated by commas; or all")
    parser.add_argument("--wrap", default="", help="a command to run each job under, such as a lock on the machine")
    parser.add_argument("--list", action="store_true", help="name the jobs and leave")
    o = parser.parse_args()
    if unknown := set(o.levels.split(",")) - set(LEVELS):
        parser.error(f"no such level: {', '.join(sorted(unknown))}; write some of {', '.join(LEVELS)}")
    if o.quick:
        quick = {"shape": parse("35b,layers=8"), "budgets": "2GiB", "rounds": 2, "tokens": 16,
                 "levels": "machine,start,limit,prompt,hits,resident,growth"}  # fmt: skip
        for name, value in quick.items():
            default = parser.get_default(name)
            if getattr(o, name) == (parse(default) if name == "shape" else default):
                setattr(o, name, value)
    if o.mlx:
        try:
            o.shape = Shape.of(json.loads((o.mlx / "config.json").read_text()))
        except (OSError, ValueError) as error:
            parser.error(f"--mlx {o.mlx}: {error}")
    try:
        todo = plan(o)
    except FlashMoeError as error:
        parser.error(str(error))
    if unknown := (set(o.only.split(",")) | set(o.again.split(","))) - {"", "all", *(name for name, _, _ in todo)}:
        parser.error(f"no such job: {', '.join(sorted(unknown))}; --list names them")
    if o.list:
        print("\n".join(name for name, _, _ in todo))
        return 0
    o.work.mkdir(parents=True, exist_ok=True)
    if sentence := missing(o):
        parser.error(sentence)
    gguf = o.gguf
    try:
        mlx = o.mlx or models.write(o.work / "model", o.shape, o.seed, o.surprise)
        if peers(o) and not gguf:
            gguf = o.work / "model.gguf"
            if not gguf.exists():
                llama_file.write(mlx, gguf)
    except ValueError as error:
        parser.error(str(error))
    out = o.work / "results"
    out.mkdir(exist_ok=True)
    setting = jobs.Setting(str(mlx.resolve()), str(gguf.resolve() if gguf else ""), str(o.work.resolve()), o.stream,
                           o.tokens, o.prompt, *((32, 4) if o.quick else ()), surprise=surprise(mlx),
                           program=o.llama_bench)  # fmt: skip
    again = [name for name, _, _ in todo] if o.again == "all" else o.again.split(",")
    with Steps("jobs", len(todo)) as steps:
        for name, function, arguments in todo:
            steps.now(name)
            if name in again or not report.measured(out / f"{name}.json"):
                run(name, function, arguments, setting, out, shlex.split(o.wrap))
            steps.step(name)
    report.write(out, o.work)
    print(f"{o.work / 'report.md'} and the plots beside it · commit {machine.commit()} · {time.strftime('%H:%M')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
