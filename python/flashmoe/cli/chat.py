"""`flashmoe chat`: a conversation in the terminal (`flashmoe.terminal`), or over a pipe: there each line of stdin is a
message, and the answers alone go to stdout."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..system import format_size
from ..terminal.app import COMMAND, Talk, talk
from . import options as opt
from .output import Progress, fewer_experts, note

if TYPE_CHECKING:
    from ..model import Model


def main(options: argparse.Namespace) -> int:
    folder = Path(options.folder or ".")
    if not folder.is_dir():
        raise UsageError(f"the working folder {folder} does not exist")
    loading = Progress("loading weights", "bytes")
    model = opt.open_model(options, loading)
    loading.done()

    live = sys.stdin.isatty() and sys.stdout.isatty()
    ask = None
    if live:
        from ..terminal.entry import Entry, question

        ask = question
    conversation = Talk(
        model,
        name=str(options.model),
        sampling=opt.sampling(options, model),
        system=options.system,
        max_tokens=options.max_tokens,
        thinking=options.thinking,
        reasoning_budget=options.reasoning_budget,
        tools=options.tools,
        folder=folder,
        keep=live and not options.no_keep,
        ask=ask,
    )
    with conversation:
        _banner(model, options, live)
        if options.resume is not None:
            conversation.obey(f"/resume {options.resume}")
        if live:
            talk(Entry(conversation.completions()).message, conversation)
        else:
            _pipe(conversation)
    return 0


def _pipe(conversation: Talk) -> None:
    for line in map(str.strip, sys.stdin):
        if COMMAND.fullmatch(line):
            if not conversation.obey(line):
                return
        elif line:
            conversation.say(line)


def _banner(model: Model, options: argparse.Namespace, live: bool) -> None:
    from .._version import __version__

    c, plan = model.config, model.plan
    parts = [
        f"flashmoe {__version__}",
        f"{options.model}: {c.layers} layers of {c.experts} experts, {plan.experts_per_token} a token",
        f"{format_size(plan.used)} of memory with {plan.cache_slots:,} of {plan.experts_in_model:,} experts",
        f"{plan.kernels} kernels, {model.reader} reads",
        *fewer_experts(model),
    ]
    note(" · ".join(parts))
    if options.model == "demo":
        note("This is a small demonstration model: it shows flashmoe at work, and it is often wrong.")
    if live:
        note("/help lists what can be done. Ctrl-C stops an answer, Ctrl-D leaves.\n")
