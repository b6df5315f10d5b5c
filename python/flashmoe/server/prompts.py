"""What is asked, as the model's template writes it, with the form that the answer must have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..chat import Event, FinishEvent, TextEvent
from ..errors import UsageError
from ..prompt import Prompt
from ..structured import Constraint, TokenConstraint

if TYPE_CHECKING:
    from ..generate import FinishReason, Usage
    from ..model import Model
    from ..prefix import PrefixStore
    from .answer import Parser


@dataclass(frozen=True)
class Conversation:
    """What every protocol's request comes to.

    choice: "auto", "none", "required", or "tool" for the one that `name` says. parallel: whether one answer may
    call several tools. schema: of the JSON that the answer must be; True for any object. grammar: of the answer, as
    `Constraint.grammar` takes it. strict: tool calls follow their schemas to the letter. opening: how the answer
    begins. budget: tokens of reasoning.
    """

    messages: Sequence[dict[str, Any]]
    tools: Sequence[dict[str, Any]] = ()
    thinking: bool | None = None
    choice: str = "auto"
    name: str | None = None
    parallel: bool = True
    schema: dict[str, Any] | bool | None = None
    grammar: str | None = None
    strict: bool = False
    opening: str = ""
    budget: int | None = None


@dataclass(frozen=True)
class Prepared:
    """keep_at: lengths of the prompt at which its state may serve other prompts."""

    ids: list[int]
    parser: Callable[[], Parser]
    constraint: TokenConstraint | None = None
    keep_at: tuple[int, ...] = ()


class TextParser:
    """For answers that are nothing but text."""

    def feed(self, text: str) -> list[Event]:
        return [TextEvent(text)]

    def finish(self, reason: FinishReason | None, usage: Usage) -> list[Event]:
        return [FinishEvent(reason or "cancelled", usage)]


def prepare(model: Model, store: PrefixStore, asked: Conversation) -> Prepared:
    """Renders and encodes a conversation, spelt as the store knows it. Raises TemplateError and UsageError."""
    if asked.choice in ("required", "tool") and not asked.tools:
        raise UsageError("a tool is to be called, and there are no tools")
    tools = [] if asked.choice == "none" else list(asked.tools)
    prompt = Prompt(model, asked.messages, tools, thinking=asked.thinking)
    ids = store.spell(prompt)
    keep_at = store.points(prompt, ids)
    if asked.opening:
        if prompt.opens_thought:
            raise UsageError("the answer cannot be begun for a model that reasons first; turn thinking off")
        ids = ids + model.tokenizer.encode(asked.opening)
    inner = _form(model, asked, prompt, tools)
    return Prepared(ids, prompt.parser, prompt.constraint(inner, asked.budget), tuple(keep_at))


def _form(model: Model, asked: Conversation, prompt: Prompt, tools: Sequence[dict[str, Any]]) -> Constraint | None:
    """The grammar of the answer, None where it is free."""
    tokenizer = model.tokenizer
    choice = (asked.name or "") if asked.choice == "tool" else asked.choice
    if asked.choice in ("required", "tool") or (tools and asked.strict):
        return Constraint.tool_calls(tools, tokenizer, choice, form=prompt.call_form, parallel=asked.parallel)
    if asked.grammar is not None:
        return Constraint.grammar(asked.grammar, tokenizer)
    if asked.schema is None:
        return None
    if asked.schema is True:
        return Constraint.json_object(tokenizer)
    return Constraint.json_schema(asked.schema, tokenizer)
