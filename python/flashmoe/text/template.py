"""Messages and tools to a prompt, through the checkpoint's own chat template.

Templates are Jinja programs that come with a download, so they run in Jinja's immutable sandbox, set up as
transformers does it: `raise_exception`, `strftime_now`, `tojson` that leaves non-ASCII letters alone, loop
controls and `{% generation %}`. Messages are brought into one shape first; whatever a template or a message
does wrong is a `TemplateError` that says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import jinja2
import jinja2.exceptions
import jinja2.ext
import jinja2.nodes
import jinja2.parser
import jinja2.sandbox

from ..errors import TemplateError
from .tokenizer import Pieces, Tokenizer

Message = Mapping[str, Any]
ROLES = ("system", "developer", "user", "assistant", "tool")


class ChatTemplate:
    """A chat template, compiled.

    >>> template = ChatTemplate(spec.chat_template, tokenizer, spec.special_tokens)
    >>> ids = tokenizer.encode_pieces(template.prompt([{"role": "user", "content": "Hello"}]))
    """

    def __init__(
        self, source: str | None, tokenizer: Tokenizer, special_tokens: Mapping[str, str] | None = None
    ) -> None:
        if not source:
            raise TemplateError(
                "the checkpoint has no chat template (chat_template.jinja, or chat_template in "
                "tokenizer_config.json); copy it from the original checkpoint, or complete plain text with "
                "model.generate"
            )
        self._source = source
        self._tokenizer = tokenizer
        self._special_tokens = dict(special_tokens or {})
        try:
            self._template = _environment().from_string(source)
        except jinja2.TemplateSyntaxError as error:
            raise TemplateError(
                f"the chat template is no valid Jinja, line {error.lineno}: {error.message}"
            ) from error

    def prompt(
        self,
        messages: Iterable[Message],
        tools: Iterable[Mapping[str, Any]] | None = None,
        *,
        add_generation_prompt: bool = True,
        **options: Any,
    ) -> Pieces:
        """The prompt, cut at the control tokens that the template wrote; those in messages and tools are
        plain text.

        options: further variables of the template, such as `enable_thinking=False`.
        """
        try:
            given = [normalize(messages), [dict(tool) for tool in tools or ()] or None, options]
            shield = self._tokenizer.shield_for(self._source, given)
            safe_messages, safe_tools, safe_options = self._tokenizer.shield(given, shield)
        except RecursionError:
            raise TemplateError("the messages or tools are nested too deeply") from None
        text = self._render(
            **{**self._special_tokens, **safe_options},
            messages=safe_messages,
            tools=safe_tools,
            documents=None,
            add_generation_prompt=add_generation_prompt,
        )
        return self._tokenizer.split(text, shield)

    def _render(self, **variables: Any) -> str:
        try:
            return self._template.render(**variables)
        except TemplateError as error:
            raise TemplateError(f"the chat template refuses these messages: {error}") from None
        except jinja2.exceptions.SecurityError as error:
            raise TemplateError(f"the chat template tries what its sandbox forbids: {error}") from error
        except jinja2.UndefinedError as error:
            raise TemplateError(f"the chat template uses what these messages lack: {error}") from error
        except Exception as error:  # a template is a foreign program and can raise anything
            raise TemplateError(f"the chat template failed: {type(error).__name__}: {error}") from error


def normalize(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Messages as templates expect them: text content, calls with their arguments as an object, reasoning
    apart."""
    if isinstance(messages, str | Mapping):
        raise TemplateError('messages are a list such as [{"role": "user", "content": "Hello"}]')
    out = [_normalize(i, message) for i, message in enumerate(messages)]
    if not out:
        raise TemplateError("there are no messages; give at least one from the user")
    return out


def _normalize(index: int, message: Message) -> dict[str, Any]:
    where = f"message {index}"
    if not isinstance(message, Mapping):
        raise TemplateError(
            f"{where} is {type(message).__name__}; it should be an object with role and content"
        )
    role = message.get("role")
    if role not in ROLES:
        raise TemplateError(f"{where} has the role {role!r}; known are {', '.join(ROLES)}")
    out = {**message, "content": _text(where, message.get("content"))}
    if role == "assistant":
        if message.get("tool_calls"):
            out["tool_calls"] = [_call(where, call) for call in message["tool_calls"]]
        else:
            out.pop("tool_calls", None)
        thought, closed, answer = out["content"].partition("</think>")
        if closed and thought.lstrip().startswith("<think>") and not message.get("reasoning_content"):
            out["reasoning_content"] = thought.lstrip().removeprefix("<think>").strip("\n")
            out["content"] = answer.lstrip("\n")
    return out


def _text(where: str, content: Any) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        raise TemplateError(f"the content of {where} is {type(content).__name__}; it should be text")
    parts = []
    for part in content:
        if isinstance(part, str):
            parts.append(part)
        elif isinstance(part, Mapping) and isinstance(part.get("text"), str):
            parts.append(part["text"])
        else:
            kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
            raise TemplateError(f"{where} has a part of kind {kind!r}; this model takes text only")
    return "".join(parts)


def _call(where: str, call: Any) -> dict[str, Any]:
    function = call.get("function", call) if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise TemplateError(
            f'a tool call of {where} should be {{"function": {{"name": …, "arguments": {{…}}}}}}'
        )
    arguments = function.get("arguments", {})
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments or "{}")
        except ValueError as error:
            raise TemplateError(
                f"the arguments of {function['name']} in {where} are no JSON: {error}"
            ) from None
    if not isinstance(arguments, Mapping):
        raise TemplateError(f"the arguments of {function['name']} in {where} should be an object")
    identity = {"id": call["id"]} if "id" in call else {}
    return {
        **identity,
        "type": "function",
        "function": {"name": function["name"], "arguments": dict(arguments)},
    }


def _environment() -> jinja2.sandbox.ImmutableSandboxedEnvironment:
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _raise_exception(message: str) -> None:
    raise TemplateError(message)


class _Generation(jinja2.ext.Extension):
    """`{% generation %}…{% endgeneration %}` marks what an assistant wrote, for training; here it is only its
    body."""

    tags = {"generation"}  # noqa: RUF012 (the base class declares it)

    def parse(self, parser: jinja2.parser.Parser) -> jinja2.nodes.Node | list[jinja2.nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)
