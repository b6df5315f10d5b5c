"""What can be written on the command line, and nothing else: no command is imported here."""

from __future__ import annotations

import argparse
import shutil
from typing import TYPE_CHECKING, Any

from .._version import __version__

if TYPE_CHECKING:
    from ..model import Model
    from ..sampling import Sampling
    from ..session import Progress

EPILOG = """\
exit status:
  0  done
  1  failed while running
  2  wrong options or arguments
  3  the checkpoint is missing, damaged or of an unsupported kind
  4  the memory budget is too small
  5  reading weights failed
  130  interrupted
"""
WIDTHS = (2, 3, 4, 5, 6, 8, 16)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Options of a command line. `--memory 12MiB chat` and `chat --memory 12MiB` are the same; no command is
    chat."""
    parser, commands = _parser()
    options, unknown = parser.parse_known_args(_command_first(arguments, commands))
    if unknown:
        commands[options.command].error(f"unrecognized arguments: {' '.join(unknown)}")
    return options


def open_model(options: argparse.Namespace, progress: Progress | None = None) -> Model:
    """The model that the options ask for."""
    from ..model import CARD_REFUSED, Model
    from .output import note

    model = Model(
        options.model,
        backend=options.backend,
        memory=options.memory,
        host_memory=options.host_memory,
        experts_per_token=options.experts_per_token,
        threads=options.threads,
        context=options.context,
        reader=options.reader,
        progress=progress,
    )
    if model.backend_reason.startswith(CARD_REFUSED):
        note(f"{model.backend_reason}; the CPU does")
    return model


def sampling(options: argparse.Namespace, model: Model) -> Sampling:
    """What the checkpoint recommends, with what the options say."""
    from ..sampling import Sampling

    names = (
        "temperature",
        "top_k",
        "top_p",
        "min_p",
        "repetition_penalty",
        "presence_penalty",
        "seed",
        "stop",
    )
    return Sampling.recommended(model.path).with_(**{name: getattr(options, name) for name in names})


def _command_first(arguments: list[str], commands: dict[str, argparse.ArgumentParser]) -> list[str]:
    """Moves the command to the front; options may stand before it."""
    if arguments and (arguments[0] in commands or arguments[0] in ("-h", "--help", "--version")):
        return arguments
    if arguments and not arguments[0].startswith("-"):
        return arguments  # an unknown command: argparse lists the known ones
    flags = {text for parser in commands.values() for text in _flags(parser)}
    for i in range(1, len(arguments)):
        before = arguments[i - 1]
        is_value = before.startswith("-") and "=" not in before and before not in flags
        if arguments[i] in commands and not is_value:
            return [arguments[i], *arguments[:i], *arguments[i + 1 :]]
    return ["chat", *arguments]


def _flags(parser: argparse.ArgumentParser) -> list[str]:
    """Options that take no value."""
    return [text for action in parser._actions if action.nargs == 0 for text in action.option_strings]


def _parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    parser = argparse.ArgumentParser(
        prog="flashmoe",
        description="Runs Mixture-of-Experts language models larger than memory, exactly, by streaming "
        "experts from SSD. Without a command it chats, with the demo model unless --model names another.",
        epilog=EPILOG + "\n`flashmoe COMMAND --help` tells the options of a command.",
        formatter_class=_Formatter,
    )
    parser.add_argument("--version", action="version", version=f"flashmoe {__version__}")
    known = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    commands: dict[str, argparse.ArgumentParser] = {}

    def command(name: str, help: str, description: str) -> argparse.ArgumentParser:
        commands[name] = known.add_parser(
            name, help=help, description=description, epilog=EPILOG, formatter_class=_Formatter
        )
        return commands[name]

    chat = command(
        "chat",
        "talk to a model in the terminal (the default)",
        "Talks to a model. Ctrl-C stops an answer, Ctrl-D leaves, /help lists what else can be done. When "
        "the input is not a terminal, each line of it is a message.",
    )
    _add_model(chat)
    _add_sampling(chat)
    keeping = chat.add_argument_group("conversations")
    keeping.add_argument(
        "--resume",
        nargs="?",
        const="",
        metavar="WHICH",
        help="go on with a conversation, by number or name as /sessions lists them; the newest without WHICH",
    )
    keeping.add_argument(
        "--no-keep", action="store_true", help="leave neither the conversation nor its state on disk"
    )
    _add_tools(chat, "Shell commands and writing ask first")

    run = command(
        "run",
        "answer one prompt and leave",
        "Answers one prompt. The answer alone goes to stdout, everything else to stderr.",
    )
    run.add_argument(
        "prompt", nargs="?", metavar="PROMPT", help='the prompt; "-", or none, reads it from stdin'
    )
    _add_model(run)
    _add_sampling(run)
    _add_tools(run, "Shell commands and writing need --yes").add_argument(
        "--yes", action="store_true", help="let the model run and write what it wants, without anybody being asked"
    )
    output = run.add_argument_group("output")
    output.add_argument(
        "--raw", action="store_true", help="continue the prompt as text, without a chat template"
    )
    output.add_argument(
        "--quiet", "-q", action="store_true", help="leave out the line of figures after the answer"
    )
    _add_json(output, "print one JSON object: text, reasoning, finish_reason, usage")
    output.add_argument(
        "--json-lines", action="store_true", help="print a JSON object for each event while the answer comes"
    )

    serve = command(
        "serve",
        "answer the OpenAI and Anthropic HTTP APIs, and a page to chat",
        "Serves a model to programs and to the browser: the OpenAI and Anthropic APIs and, at /, a page to "
        "chat with it. Only this machine can connect unless there is an API key. Ctrl-C stops it; what is being "
        "answered may finish.",
    )
    _add_model(serve)
    _add_server(serve)

    info = command(
        "info",
        "what a checkpoint is and what it would take to run it",
        "Shows the shape and formats of a checkpoint, the memory plan, and what a token would read from "
        "memory and disk. No weights are read.",
    )
    _add_target(info)
    _add_model(info, model=False)
    info.add_argument(
        "--hit-rate",
        type=float,
        action="append",
        metavar="PERCENT",
        help="share of experts found in memory to show reads for; may be repeated",
    )
    _add_json(info, "print one JSON object")

    verify = command(
        "verify",
        "read every tensor of a checkpoint and check it",
        "Reads a whole checkpoint: every tensor must be there, readable and of the right size, and files "
        "must have their checksums where those are known.",
    )
    _add_target(verify)
    _add_json(verify, "print one JSON object")

    convert = command(
        "convert",
        "quantise a checkpoint",
        "Writes a checkpoint anew in the MLX affine layout, which opens here and in mlx-lm, in little "
        "memory. A conversion that was interrupted goes on when the same command is given again.",
    )
    convert.add_argument("source", metavar="SRC", help='checkpoint folder, hub id or "demo"')
    convert.add_argument("target", metavar="DST", help="folder to write")
    bits: dict[str, Any] = {"type": int, "choices": WIDTHS, "metavar": "BITS"}
    width = convert.add_argument_group(
        "bits of a weight", "2, 3, 4, 5, 6, 8, or 16 to leave them as they are."
    )
    width.add_argument("--bits", default=4, help="of the dense weights (default 4)", **bits)
    width.add_argument("--experts", help="of the routed experts (default: as --bits)", **bits)
    width.add_argument("--router", help="of the router and the shared expert's gate (default 8)", **bits)
    width.add_argument("--embed", help="of the embedding (default: as --bits)", **bits)
    width.add_argument("--head", help="of the head (default: as --bits)", **bits)
    convert.add_argument(
        "--group",
        type=int,
        default=64,
        choices=(32, 64, 128),
        metavar="N",
        help="weights that share a scale: 32, 64 or 128 (default 64)",
    )
    convert.add_argument(
        "--dtype",
        default="bf16",
        choices=("bf16", "f16", "f32"),
        metavar="TYPE",
        help="type of scales and of what is not quantised: bf16 (the default), f16 or f32",
    )
    convert.add_argument("--threads", type=int, metavar="N", help="threads (default: one for each core)")
    convert.add_argument(
        "--overwrite", action="store_true", help="replace an earlier conversion, forget an unfinished one"
    )

    pull = command(
        "pull",
        "download a checkpoint from the Hugging Face hub",
        "Downloads a checkpoint, or what is missing of it. Prints the folder that it is in.",
    )
    pull.add_argument("model", metavar="OWNER/NAME", help="the id on the hub")

    bench = command(
        "bench",
        "how fast a model runs here, beside what the machine allows",
        "Measures memory and disk, then prefill and decode of a model within its budget: tokens per second, experts "
        "found in memory, bytes read, and the share of what memory or disk allow that was reached. The text is fixed; "
        "nothing is sampled.",
    )
    _add_model(bench)
    amount = bench.add_argument_group("amount")
    amount.add_argument("--prompt-tokens", type=int, default=512, metavar="N", help="tokens of the prompt (512)")
    amount.add_argument("--tokens", type=int, default=64, metavar="N", help="tokens to decode (64)")
    _add_json(bench, "print one JSON object")

    doctor = command(
        "doctor",
        "what this machine can do, measured",
        "Reports versions, processor features and kernels, memory and its limits, and measures memory and "
        "disk bandwidth; says which backend and reader will be used and why. Takes about ten seconds.",
    )
    doctor.add_argument("--model", metavar="MODEL", help="measure the disk that this checkpoint is on")
    doctor.add_argument(
        "--size", default="256MiB", metavar="SIZE", help="file to measure with, without --model (256MiB)"
    )
    doctor.add_argument("--quick", action="store_true", help="measure for a short time; less exact")
    doctor.add_argument(
        "--self-test",
        action="store_true",
        help="instead: compare every kernel and the demo model's answers with stored ones, and print a page to send in",
    )
    doctor.add_argument(
        "--backend", metavar="NAME", help="of the self-test: cpu, metal, cuda or soft (default: all but soft)"
    )
    _add_json(doctor, "print one JSON object")
    return parser, commands


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", nargs="?", metavar="MODEL", help="as --model")
    parser.add_argument(
        "--model", default="demo", metavar="MODEL", help='folder, hub id or "demo" (the default)'
    )


def _add_model(parser: argparse.ArgumentParser, model: bool = True) -> None:
    group = parser.add_argument_group("model")
    if model:
        group.add_argument(
            "--model",
            default="demo",
            metavar="MODEL",
            help='folder of a Hugging Face or MLX checkpoint, hub id, or "demo" (the default)',
        )
    group.add_argument(
        "--memory",
        metavar="SIZE",
        help="ceiling of all model memory, such as 8GiB (default: a safe share of what is free)",
    )
    group.add_argument(
        "--host-memory",
        metavar="SIZE",
        help="with an NVIDIA card, whose memory --memory then is: memory of the machine for experts that the card has "
        "no room for (default: at most half of what is free)",
    )
    group.add_argument("--context", type=int, metavar="N", help="tokens that a conversation can hold")
    group.add_argument(
        "--experts-per-token",
        type=int,
        metavar="K",
        help="experts used for a token (default: as the model was trained)",
    )
    group.add_argument(
        "--threads", type=int, metavar="N", help="compute threads (default: one for each core)"
    )
    group.add_argument(
        "--backend",
        default="auto",
        metavar="NAME",
        help="auto (the default: an NVIDIA card that works, else cpu), cpu, metal, cuda or soft",
    )
    group.add_argument(
        "--reader",
        default="auto",
        choices=("auto", "direct", "buffered"),
        metavar="NAME",
        help="how experts are read: direct (past the page cache), buffered, or auto (the default)",
    )


def _add_sampling(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("answer", "What is not given is as the checkpoint recommends.")
    group.add_argument("--system", metavar="TEXT", help="system prompt")
    group.add_argument("--max-tokens", type=int, metavar="N", help="end an answer after so many tokens")
    group.add_argument("--temperature", type=float, metavar="T", help="0 always takes the likeliest token")
    group.add_argument(
        "--top-p", type=float, metavar="P", help="draw from the likeliest tokens that together reach P"
    )
    group.add_argument(
        "--top-k", type=int, metavar="K", help="draw from the K likeliest tokens; 0 for no limit"
    )
    group.add_argument(
        "--min-p", type=float, metavar="P", help="leave out tokens P times less likely than the likeliest"
    )
    group.add_argument(
        "--repetition-penalty", type=float, metavar="X", help="more than 1 discourages repetition"
    )
    group.add_argument(
        "--presence-penalty", type=float, metavar="X", help="more than 0 discourages tokens already used"
    )
    group.add_argument("--seed", type=int, metavar="N", help="makes an answer repeatable")
    group.add_argument(
        "--stop", action="append", metavar="TEXT", help="end the answer at this text; may be repeated"
    )
    group.add_argument(
        "--thinking",
        action=argparse.BooleanOptionalAction,
        help="let the model reason first, or not, where its template offers that",
    )
    group.add_argument(
        "--reasoning-budget", type=int, metavar="N", help="end a thought after so many tokens"
    )


def _add_tools(parser: argparse.ArgumentParser, asking: str) -> Any:
    group = parser.add_argument_group("tools")
    group.add_argument(
        "--tools",
        action="append",
        default=[],
        metavar="NAME",
        help="calculator, files, shell, all of these, the functions of a FILE.py, or an MCP server as "
        f"mcp:COMMAND; may be repeated. {asking}",
    )
    group.add_argument(
        "--folder", metavar="DIR", help="where the shell runs and files are read and written (default: here)"
    )
    return group


def _add_server(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("server")
    group.add_argument("--host", default="127.0.0.1", metavar="NAME", help="address to listen on (127.0.0.1)")
    group.add_argument("--port", type=int, default=8080, metavar="N", help="port (8080); 0 for any that is free")
    group.add_argument(
        "--api-key", metavar="KEY", help="what clients must show; better given as FLASHMOE_API_KEY, which nobody sees"
    )
    group.add_argument(
        "--parallel", type=int, metavar="N", help="answers written at a time (default: as memory allows, at most 8)"
    )
    group.add_argument(
        "--max-queue", type=int, default=64, metavar="N", help="requests that may wait for their turn (64)"
    )
    group.add_argument(
        "--grace", type=float, default=10.0, metavar="SECONDS", help="time to finish answers when stopping (10)"
    )
    group.add_argument(
        "--prefix-dir", metavar="FOLDER", help="keep the state of conversations there, across restarts"
    )
    group.add_argument(
        "--prefix-memory", metavar="SIZE", help="memory for the state of conversations (default: a share of the budget)"
    )
    group.add_argument("--prefix-disk", default="4GiB", metavar="SIZE", help="most that --prefix-dir may hold (4GiB)")
    group.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="web origin whose pages may call the server, such as https://chat.example; may be repeated",
    )


def _add_json(parser: Any, help: str) -> None:
    parser.add_argument("--json", action="store_true", help=help)


class _Formatter(argparse.HelpFormatter):
    """Wraps paragraphs and leaves lists as they are."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=min(100, shutil.get_terminal_size().columns - 2))

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if "\n" in text else super()._fill_text(text, width, indent)
