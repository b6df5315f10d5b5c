"""A conversation as the checkpoint's template writes it: its tokens, and what an answer to it may look like.

    prompt = Prompt(model, messages, tools, thinking=False)
    prompt.ids              the tokens to evaluate
    prompt.parser()         takes the answer's text apart
    prompt.constraint(…)    the form that the answer must have, past a thought

Nothing here runs the model, so a server that drives many answers at once uses it as `model.chat` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import takewhile
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from .errors import UsageError
from .events import EventParser
from .text.reasoning import ReasoningLimit
from .text.template import ChatTemplate, Message

if TYPE_CHECKING:
    from .model import Model
    from .structured import Form, TokenConstraint
    from .text.tokenizer import Pieces

Tool = Mapping[str, Any] | Callable[..., Any]


class Prompt:
    """messages: as in the OpenAI API, with the roles system, user, assistant and tool. Control tokens in them are
    text. tools: schemas as in the OpenAI API, or Python functions. thinking: whether the model should reason
    first, where its template knows `enable_thinking`.

    Raises TemplateError, UsageError.
    """

    def __init__(
        self,
        model: Model,
        messages: Iterable[Message],
        tools: Iterable[Tool] | None = None,
        thinking: bool | None = None,
    ) -> None:
        self._model, self._messages, self.tools = model, list(messages), tool_schemas(tools)
        self._options = {} if thinking is None else {"enable_thinking": thinking}
        self._pieces = self._render(self._messages, add_generation_prompt=True)

    @cached_property
    def ids(self) -> list[int]:
        """The prompt's tokens, up to where the answer begins."""
        return self._model.tokenizer.encode_pieces(self._pieces)

    def continuing(self, past: Sequence[int], written: int | None = None) -> list[int]:
        """The prompt's tokens, spelt as in `past` as far as both say the same; from `written` on the model chose
        the tokens of `past`, and the last text there may be cut off."""
        return self._model.tokenizer.continue_prompt(self._pieces, past, written)

    def parser(self) -> EventParser:
        """A parser for one answer to this prompt."""
        return EventParser(self.tools, self.opens_thought)

    def constraint(
        self, inner: TokenConstraint | None = None, reasoning_budget: int | None = None
    ) -> TokenConstraint | None:
        """For `Sampling.constraint`: `inner` on the answer itself, and a thought of at most `reasoning_budget`
        tokens before it. None if neither is asked for."""
        if reasoning_budget is not None and (not isinstance(reasoning_budget, int) or reasoning_budget < 0):
            raise UsageError(f"reasoning_budget should be a whole number, 0 for no thought, not {reasoning_budget!r}")
        if reasoning_budget is None and (inner is None or not self.opens_thought):
            return inner
        return ReasoningLimit(self._model.tokenizer, self.opens_thought, reasoning_budget, inner)

    @cached_property
    def opens_thought(self) -> bool:
        """Whether the prompt opens a thought for the model to go on with."""
        return self._model.tokenizer.decode(self.ids[-8:], special=True).rstrip().endswith("<think>")

    @property
    def call_form(self) -> Form:
        """How the template has the model write tool calls."""
        return "xml" if "<function=" in (self._model.spec.chat_template or "") else "json"

    @cached_property
    def preamble(self) -> int:
        """Tokens at the beginning that other conversations with the same system prompt and tools share; 0 if
        there are neither."""
        system = list(takewhile(lambda message: message.get("role") in ("system", "developer"), self._messages))
        if not system and not self.tools:
            return 0
        other = self._render([*system, {"role": "user", "content": ""}], add_generation_prompt=False)
        same = [a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(self._pieces, other, strict=False))]
        # A piece of text that the two share could go on differently in a third.
        while same and isinstance(same[-1], str):
            same.pop()
        return len(self._model.tokenizer.encode_pieces(same))

    def history(self, ids: Sequence[int]) -> int | None:
        """How many of these ids of the prompt the next one will begin with, where templates drop the reasoning of
        past turns (or the empty one that stands for none); None where the answer itself will be continued."""
        tokenizer = self._model.tokenizer
        history = tokenizer.continue_prompt(self._render(self._messages, add_generation_prompt=False), ids)
        opening = tokenizer.decode(ids[len(history) :], special=True)
        return len(history) if history == list(ids[: len(history)]) and "<think>" in opening else None

    def _render(self, messages: list[Message], add_generation_prompt: bool) -> Pieces:
        return _template(self._model).prompt(
            messages, self.tools, add_generation_prompt=add_generation_prompt, **self._options
        )


_templates: WeakKeyDictionary[Model, ChatTemplate] = WeakKeyDictionary()


def _template(model: Model) -> ChatTemplate:
    if model not in _templates:
        _templates[model] = ChatTemplate(model.spec.chat_template, model.tokenizer, model.spec.special_tokens)
    return _templates[model]


def tool_schemas(tools: Iterable[Tool] | None) -> list[dict[str, Any]] | None:
    """Tools in the shape of the OpenAI API; a bare function schema is wrapped, a Python function described."""
    out = []
    for tool in tools or ():
        if callable(tool):
            from .tools import schema_of

            tool = schema_of(tool)
        function = tool.get("function", tool) if isinstance(tool, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise UsageError(
                'a tool should be {"type": "function", "function": {"name": …, "parameters": {…}}}, '
                f"not {str(tool)[:80]}"
            )
        out.append(dict(tool) if "function" in tool else {"type": "function", "function": dict(tool)})
    return out or None
