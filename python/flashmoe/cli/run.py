"""`flashmoe run PROMPT`: one answer."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from . import options as opt
from .output import Progress, dim, figures, note, say

if TYPE_CHECKING:
    from ..chat import Event
    from ..generate import Generation


def main(options: argparse.Namespace) -> int:
    prompt = _prompt(options.prompt)
    loading = Progress("loading weights", "bytes")
    model = opt.open_model(options, loading)
    loading.done()

    reading = Progress("reading the prompt")
    asked: dict[str, Any] = {
        "sampling": opt.sampling(options, model),
        "max_tokens": options.max_tokens,
        "progress": reading,
    }
    events: Iterator[Event]
    if options.raw:
        generation = model.generate(prompt, **asked)
        events = _raw(generation)
    else:
        from ..chat import chat

        system = [{"role": "system", "content": options.system}] if options.system else []
        messages = [*system, {"role": "user", "content": prompt}]
        answer = chat(
            model, messages, thinking=options.thinking, reasoning_budget=options.reasoning_budget, **asked
        )
        events, generation = answer, answer.generation
    try:
        shown = _lines(events) if options.json_lines else events
        result = _show(shown, reading, quiet=options.json or options.json_lines)
    except KeyboardInterrupt:
        if not (options.json or options.json_lines):
            print(flush=True)
        raise
    finally:
        reading.done()
        generation.close()
    if options.json:
        print(json.dumps({
            "model": str(options.model),
            "experts_per_token": model.plan.experts_per_token,
            "seed": generation.sampler.seed,
            **result,
        }, ensure_ascii=False))  # fmt: skip
    elif not options.quiet and not options.json_lines:
        if result["finish_reason"] == "length":
            full = options.max_tokens is None or generation.usage.completion_tokens < options.max_tokens
            note("The answer ends here because " + ("the context is full." if full else "of --max-tokens."))
        note(figures(generation.usage, model))
    return 0


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


def _lines(events: Iterator[Event]) -> Iterator[Event]:
    """Passes events on, each printed as a line of JSON."""
    from ..chat import FinishEvent, ReasoningEvent, TextEvent

    for event in events:
        if isinstance(event, TextEvent):
            line: dict[str, Any] = {"type": "text", "text": event.text}
        elif isinstance(event, ReasoningEvent):
            line = {"type": "reasoning", "text": event.text}
        elif isinstance(event, FinishEvent):
            line = {"type": "finish", "reason": event.reason, "usage": event.usage.as_dict()}
        else:
            line = {"type": "tool_call", "id": event.id, "name": event.name, "arguments": event.arguments}
        print(json.dumps(line, ensure_ascii=False), flush=True)
        yield event


def _show(events: Iterator[Event], reading: Progress, quiet: bool) -> dict[str, Any]:
    """Writes the answer to stdout and reasoning to stderr as they come; what it was."""
    from ..chat import FinishEvent, ReasoningEvent, TextEvent

    text = reasoning = ""
    for event in events:
        reading.done()
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
            if not quiet and not text.endswith("\n"):
                print(flush=True)
            return {
                "text": text,
                "reasoning": reasoning,
                "finish_reason": event.reason,
                "usage": event.usage.as_dict(),
            }
    raise AssertionError("an answer ends with a FinishEvent")
