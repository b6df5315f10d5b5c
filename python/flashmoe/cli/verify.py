"""`flashmoe verify`: reads all of a checkpoint and lists what is wrong with it."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from ..hub import resolve
from ..system import format_size
from ..verify import Report, verify
from .output import bar

DAMAGED = 3


def main(options: argparse.Namespace) -> int:
    folder = resolve(options.model if options.target is None else options.target)
    with bar("checking") as progress:
        report = verify(folder, progress)
    if options.json:
        found = {**asdict(report), "path": str(report.path), "ok": report.ok}
        print(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        print(_text(report))
    return 0 if report.ok else DAMAGED


def _text(report: Report) -> str:
    files = f"{report.files} file{'s' * (report.files != 1)}"
    checked = f"{report.checksums} of them with a checksum to compare"
    if not report.checksums:
        checked = "none of them with a checksum to compare"
    lines = [
        f"{report.path}",
        f"read {format_size(report.bytes)}: {files}, {checked}, {report.tensors:,} tensors",
        *(f"not used: {note}" for note in report.notes),
        *(str(problem) for problem in report.problems),
    ]
    count = len(report.problems)
    lines.append("no problems found" if report.ok else f"{count} problem{'s' * (count != 1)} found")
    return "\n".join(lines)
