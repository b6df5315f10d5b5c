"""`flashmoe convert SRC DST`: a checkpoint, quantised."""

from __future__ import annotations

import argparse

from ..convert import convert
from ..system import format_size
from .output import bar, note


def main(options: argparse.Namespace) -> int:
    try:
        with bar("converting") as progress:
            done = convert(
                options.source,
                options.target,
                bits=options.bits,
                experts=options.experts,
                router=options.router,
                embed=options.embed,
                head=options.head,
                group=options.group,
                dtype=options.dtype,
                overwrite=options.overwrite,
                threads=options.threads,
                progress=progress,
            )
    except KeyboardInterrupt:
        note("Interrupted. What is finished is kept: the same command goes on from there.")
        raise
    for text in done.notes:
        note(text)
    note(f"{format_size(done.bytes)} of weights")
    print(done.path)
    return 0
