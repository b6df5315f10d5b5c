"""Runs one job of the suite and writes its result beside what the machine is. Started by `python -m bench`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from . import jobs, machine
from .engines import Died
from .isolate import NoLimit


def main() -> None:
    order = json.loads(sys.argv[1])
    sys.argv[1:] = order["argv"]
    start = time.perf_counter()
    try:
        data = getattr(jobs, order["function"])(jobs.Setting(**order["setting"]), **order["arguments"])
    except (NoLimit, Died, ValueError) as error:
        data = {"refused": str(error)}
        print(f"{Path(order['out']).stem}: {error}", file=sys.stderr)
    out = Path(order["out"])
    result = {
        "job": out.stem, "arguments": order["arguments"], "setting": order["setting"], "data": data,
        "seconds": round(time.perf_counter() - start, 1), "machine": machine.identity(),
    }  # fmt: skip
    part = out.with_suffix(".partial")
    part.write_text(json.dumps(result, indent=1))
    part.rename(out)


if __name__ == "__main__":
    main()
