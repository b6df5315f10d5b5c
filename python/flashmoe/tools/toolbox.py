"""Tools by name, and the model's calls carried out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .schema import bind, schema_of

if TYPE_CHECKING:
    from ..events import ToolCallEvent

RESULT_MOST = 16_000  # characters of a result that go to the model


@dataclass(frozen=True)
class Tool:
    """A function with its schema. Called like the function; `run` takes a call's JSON arguments.

    ask: a person should be asked before it runs. preview: what to show then, from the arguments.
    """

    name: str
    schema: dict[str, Any] = field(hash=False)
    run: Callable[[Mapping[str, Any]], Any]
    function: Callable[..., Any] | None = None
    ask: bool = False
    preview: Callable[[Mapping[str, Any]], str] | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.run(kwargs) if self.function is None else self.function(*args, **kwargs)


def tool(
    function: Callable[..., Any], *, ask: bool = False, preview: Callable[[Mapping[str, Any]], str] | None = None
) -> Tool:
    """Makes a tool of a Python function; also a decorator. Raises UsageError for types that JSON cannot say."""
    schema = schema_of(function)

    def run(arguments: Mapping[str, Any]) -> Any:
        return function(**bind(function, arguments))

    return Tool(schema["function"]["name"], schema, run, function, ask, preview)


class Toolbox:
    """Tools by name.

    >>> box = Toolbox([get_weather])
    >>> box.call("get_weather", {"city": "Oslo"})
    '3 degrees'
    """

    def __init__(self, tools: Iterable[Tool | Callable[..., Any]] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        for one in tools:
            self.add(one)

    def add(self, one: Tool | Callable[..., Any]) -> None:
        made = one if isinstance(one, Tool) else tool(one)
        if made.name in self._tools:
            raise UsageError(f"there are two tools named {made.name}; give one of them another name")
        self._tools[made.name] = made

    @property
    def schemas(self) -> list[dict[str, Any]]:
        return [one.schema for one in self]

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)

    def get(self, name: str) -> Tool | None:
        return self._tools.get(name)

    def call(self, name: str, arguments: Mapping[str, Any]) -> str:
        """The result as text for the model. Whatever goes wrong in a tool is a result too: "Error: …"."""
        one = self._tools.get(name)
        if one is None:
            return f"Error: there is no tool named {name}; there are {', '.join(self._tools) or 'none'}"
        try:
            return result_text(one.run(arguments))
        except Exception as error:
            return f"Error: {error or type(error).__name__}"

    def answer(self, call: ToolCallEvent, result: str | None = None) -> dict[str, Any]:
        """The message that answers a call, carried out here unless there is a result."""
        if result is None:
            result = f"Error: {call.error}" if call.error else self.call(call.name, call.arguments)
        return {"role": "tool", "tool_call_id": call.id, "name": call.name, "content": result}


def result_text(result: Any) -> str:
    """A result as text, cut where it is very long."""
    try:
        text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
    except (TypeError, ValueError):
        text = str(result)
    if len(text) > RESULT_MOST:
        return f"{text[:RESULT_MOST]}\n… ({len(text) - RESULT_MOST:,} more characters are left out)"
    return text
