"""`flashmoe run PROMPT`: one answer."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from . import options as opt
from .output import Progress, dim, figures, note, say

if TYPE_CHECKING:
    from ..chat import Event
    from ..generate import Generation, Usage
    from ..model import Model
    from ..sampling import Sampling
    from ..tools.agent import AgentEvent

SHOWN = 500  # characters of a tool's result


def main(options: argparse.Namespace) -> int:
    prompt = _prompt(options.prompt)
    loading = Progress("loading weights", "bytes")
    model = opt.open_model(options, loading)
    loading.done()

    reading = Progress("reading the prompt")
    sampling = opt.sampling(options, model)
    if sampling.seed is None:
        sampling = sampling.with_(seed=secrets.randbits(63))
    quiet = options.json or options.json_lines
    with ExitStack() as stack:
        stack.callback(reading.done)
        events = _events(model, prompt, options, sampling, reading, stack)
        try:
            result, usage = _show(_lines(events) if options.json_lines else events, reading, quiet)
        except KeyboardInterrupt:
            if not quiet:
                print(flush=True)
            raise
    if options.json:
        print(json.dumps({
            "model": str(options.model),
            "experts_per_token": model.plan.experts_per_token,
            "seed": sampling.seed,
            **result,
            "usage": usage.as_dict(),
        }, ensure_ascii=False))  # fmt: skip
    elif not options.quiet and not quiet:
        if result["finish_reason"] == "length":
            full = options.max_tokens is None or usage.completion_tokens < options.max_tokens
            note("The answer ends here because " + ("the context is full." if full else "of --max-tokens."))
        note(figures(usage, model))
    return 0


def _events(
    model: Model, prompt: str, options: argparse.Namespace, sampling: Sampling, reading: Progress, stack: ExitStack
) -> Iterator[AgentEvent]:
    """The answer, with all that leads to it where tools are used; the stack ends it."""
    from ..chat import Chat, chat
    from ..tools.agent import converse
    from ..tools.chosen import chosen_tools

    asked: dict[str, Any] = {"sampling": sampling, "max_tokens": options.max_tokens}
    if options.raw:
        if options.tools:
            raise UsageError("--raw knows no conversation, so the model can call no tools; leave one of them out")
        return _raw(stack.enter_context(model.generate(prompt, progress=reading, **asked)))
    asked |= {"thinking": options.thinking, "reasoning_budget": options.reasoning_budget}
    if not options.tools:
        system = [{"role": "system", "content": options.system}] if options.system else []
        messages = [*system, {"role": "user", "content": prompt}]
        return stack.enter_context(chat(model, messages, progress=reading, **asked))
    box = chosen_tools(options.tools, options.folder or ".", stack)
    talk = stack.enter_context(Chat(model, options.system, box.schemas, **asked))
    return converse(talk, box, prompt, confirm=lambda tool, call: bool(options.yes), progress=reading)


def _prompt(given: str | None) -> str:
    if given is None and sys.stdin.isatty():
        raise UsageError('there is no prompt; write `flashmoe run "PROMPT"`, or pipe it in')
    text = sys.stdin.read() if given in (None, "-") else given
    if not text or not text.strip():
        raise UsageError("the prompt is empty")
    return text.rstrip("\n") if given in (None, "-") else text


def _raw(generation: Generation) -> Iterator[Event]:
    from ..chat import FinishEvent, TextEvent

    for token in generation:
        if token.text:
            yield TextEvent(token.text)
    yield FinishEvent(generation.finish_reason or "cancelled", generation.usage)


def _lines(events: Iterator[AgentEvent]) -> Iterator[AgentEvent]:
    """Passes events on, each printed as a line of JSON."""
    from ..chat import FinishEvent, ReasoningEvent, TextEvent
    from ..tools.agent import LimitEvent, ToolResultEvent

    for event in events:
        if isinstance(event, TextEvent):
            line: dict[str, Any] = {"type": "text", "text": event.text}
        elif isinstance(event, ReasoningEvent):
            line = {"type": "reasoning", "text": event.text}
        elif isinstance(event, FinishEvent):
            line = {"type": "finish", "reason": event.reason, "usage": event.usage.as_dict()}
        elif isinstance(event, ToolResultEvent):
            line = {"type": "tool_result", "id": event.call.id, "name": event.call.name, "result": event.result}
        elif isinstance(event, LimitEvent):
            line = {"type": "limit", "rounds": event.rounds}
        else:
            line = {"type": "tool_call", "id": event.id, "name": event.name, "arguments": event.arguments}
            line |= {"error": event.error} if event.error else {}
        print(json.dumps(line, ensure_ascii=False), flush=True)
        yield event


def _show(events: Iterator[AgentEvent], reading: Progress, quiet: bool) -> tuple[dict[str, Any], Usage]:
    """Writes text to stdout, reasoning and calls to stderr as they come; what the last answer was."""
    from ..chat import FinishEvent, ReasoningEvent, TextEvent, ToolCallEvent
    from ..tools.agent import LimitEvent, ToolResultEvent

    text = reasoning = ""
    last: FinishEvent | None = None
    for event in events:
        reading.done()
        if last is not None and last.reason == "tool_calls" and isinstance(event, TextEvent | ReasoningEvent):
            text, reasoning, last = "", "", None
        if isinstance(event, TextEvent):
            if reasoning and not text and not quiet:
                note()
            text += event.text
            if not quiet:
                say(event.text)
        elif isinstance(event, ReasoningEvent):
            reasoning += event.text
            if not quiet:
                print(dim(event.text), end="", file=sys.stderr, flush=True)
        elif isinstance(event, FinishEvent):
            if not quiet and not text.endswith("\n") and (text or event.reason != "tool_calls"):
                print(flush=True)
            last = event
        elif not quiet and isinstance(event, ToolCallEvent):
            note(f"{event.name} {json.dumps(event.arguments, ensure_ascii=False)} {event.error}".rstrip())
        elif not quiet and isinstance(event, ToolResultEvent):
            note(event.result[:SHOWN])
        elif not quiet and isinstance(event, LimitEvent):
            note(f"The model wanted more than {event.rounds} rounds of tools.")
    assert last is not None, "an answer ends with a FinishEvent"
    return {"text": text, "reasoning": reasoning, "finish_reason": last.reason}, last.usage
