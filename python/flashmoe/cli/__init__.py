"""The command line: `flashmoe`, or `python -m flashmoe`. Without a command it chats.

Each command is a module of its own, imported when it is called for, so that `--help` and the first word come
at once. What a command is asked for goes to stdout, everything else to stderr. Errors are one sentence and an
exit status:
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

from ..errors import CheckpointError, FlashMoeError, MemoryBudgetError, ReadError, UsageError
from .options import parse

EXIT_STATUS: list[tuple[type[BaseException], int]] = [
    (UsageError, 2),
    (CheckpointError, 3),
    (MemoryBudgetError, 4),
    (ReadError, 5),
    (FlashMoeError, 1),
]
INTERRUPTED = 128 + signal.SIGINT  # 130
CLOSED_PIPE = 128 + signal.SIGPIPE  # 141


def _prepare_streams() -> None:
    """Bytes that are no text must not end a conversation, on the way in or out; a closed stdin is an empty
    one."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull)  # noqa: SIM115 (open as long as the program runs)
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; the exit status. Wrong options raise SystemExit(2), and `--help` SystemExit(0), as
    argparse does."""
    options = parse(sys.argv[1:] if arguments is None else list(arguments))
    _prepare_streams()
    try:
        status: int = import_module(f".{options.command}", __package__).main(options)
        sys.stdout.flush()
        return status
    except FlashMoeError as error:
        print(f"flashmoe: {error}", file=sys.stderr)
        return next(status for kind, status in EXIT_STATUS if isinstance(error, kind))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has gone (`| head`). Nothing may be written any more, not even when Python closes its
        # streams.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    except OSError as error:
        print(f"flashmoe: {error}", file=sys.stderr)
        return 1
