"""Tools from Python functions: their schemas, and calls carried out."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NotRequired, Optional, TypedDict

import pytest

from flashmoe.errors import UsageError
from flashmoe.events import ToolCallEvent
from flashmoe.tools import Toolbox, schema_of, tool


class Sky(enum.Enum):
    CLEAR = "clear"
    GREY = "grey"


@dataclass
class Place:
    name: str
    height: float = 0.0


class Options(TypedDict):
    deep: bool
    most: NotRequired[int]


def everything(
    city: str,
    days: int,
    factor: float = 1.5,
    wind: bool = False,
    unit: Literal["c", "f"] = "c",
    hours: list[int] | None = None,
    sky: Sky = Sky.CLEAR,
    places: Sequence[Place] = (),
    counts: dict[str, int] | None = None,
    pair: tuple[int, str] = (1, "a"),
    options: Optional[Options] = None,  # noqa: UP045 (people write it)
    note: Annotated[str, "said beside it"] = "",
    anything: Any = None,
) -> str:
    """Get the weather of a city,
    as far as it is known.

    More about it.

    Args:
        city: its name,
            in any language
        days (int): how many days ahead

    Returns:
        what it is: words
    """
    return f"{city} {days} {factor} {unit} {hours} {sky} {places} {pair}"


def test_a_function_becomes_a_schema() -> None:
    assert schema_of(everything) == {
        "type": "function",
        "function": {
            "name": "everything",
            "description": "Get the weather of a city, as far as it is known.",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "its name, in any language"},
                    "days": {"type": "integer", "description": "how many days ahead"},
                    "factor": {"type": "number", "default": 1.5},
                    "wind": {"type": "boolean", "default": False},
                    "unit": {"enum": ["c", "f"], "type": "string", "default": "c"},
                    "hours": {
                        "anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}],
                        "default": None,
                    },
                    "sky": {"enum": ["clear", "grey"], "type": "string"},
                    "places": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {"name": {"type": "string"}, "height": {"type": "number"}},
                            "required": ["name"],
                        },
                        "default": (),
                    },
                    "counts": {
                        "anyOf": [
                            {"type": "object", "additionalProperties": {"type": "integer"}},
                            {"type": "null"},
                        ],
                        "default": None,
                    },
                    "pair": {
                        "type": "array",
                        "prefixItems": [{"type": "integer"}, {"type": "string"}],
                        "minItems": 2,
                        "maxItems": 2,
                        "default": (1, "a"),
                    },
                    "options": {
                        "anyOf": [
                            {
                                "type": "object",
                                "properties": {"deep": {"type": "boolean"}, "most": {"type": "integer"}},
                                "required": ["deep"],
                            },
                            {"type": "null"},
                        ],
                        "default": None,
                    },
                    "note": {"type": "string", "description": "said beside it", "default": ""},
                    "anything": {"default": None},
                },
                "required": ["city", "days"],
            },
        },
    }


@pytest.mark.parametrize(
    "doc",
    [
        "Do it.\n\ncity: its name",
        "Do it.\n\nArgs:\n    city: its name",
        "Do it.\n\n:param city: its name\n:returns: more",
        "Do it.\n\n:param str city: its name",
        "Do it.\n\nParameters:\n    city (str): its name\n\nReturns:\n    city: no",
    ],
)
def test_docstrings(doc: str) -> None:
    def act(city: str) -> None: ...

    act.__doc__ = doc
    function = schema_of(act)["function"]
    assert function["description"] == "Do it."
    assert function["parameters"]["properties"]["city"]["description"] == "its name"


def test_what_json_cannot_say_is_refused() -> None:
    def bad(x: complex) -> None: ...

    def keys(x: dict[int, str]) -> None: ...

    def positional(x: int, /) -> None: ...

    for function, wanted in ((bad, "complex"), (keys, "keys"), (positional, "positional"), (lambda x: x, "name")):
        with pytest.raises(UsageError, match=wanted):
            schema_of(function)


def test_arguments_are_what_the_function_takes() -> None:
    run = tool(everything).run
    arguments = {
        "city": "Oslo", "days": 2, "factor": 2, "sky": "grey", "hours": [1], "pair": [1, "b"],
        "places": [{"name": "x"}, {"name": "y", "height": 3}], "options": {"deep": True},
    }  # fmt: skip
    assert run(arguments) == (
        "Oslo 2 2.0 c [1] Sky.GREY [Place(name='x', height=0.0), Place(name='y', height=3.0)] (1, 'b')"
    )
    for wrong, wanted in (
        ({"days": "2"}, "days should be int, not '2'"),
        ({"days": True}, "days should be int"),
        ({"unit": "k"}, "unit should be Literal"),
        ({"sky": "blue"}, "sky should be Sky"),
        ({"hours": ["x"]}, "hours should be"),
        ({"places": [{"hight": 1}]}, "no field hight"),
        ({"color": 1}, "no argument color; there are city"),
    ):
        with pytest.raises(UsageError, match=wanted):
            run({"city": "Oslo", "days": 1, **wrong})
    with pytest.raises(UsageError, match="lacks days"):
        run({"city": "Oslo"})


def test_a_toolbox_never_raises() -> None:
    @tool
    def divide(a: float, b: float) -> float:
        """Divide."""
        return a / b

    @tool
    def long() -> dict[str, str]:
        return {"x": "y" * 100_000}

    box = Toolbox([divide, long])
    assert divide(6, 3) == 2
    assert box.call("divide", {"a": 6, "b": 3}) == "2.0"
    assert box.call("divide", {"a": 6, "b": 0}) == "Error: float division by zero"
    assert box.call("divide", {"a": "6", "b": 0}).startswith("Error: a should be float")
    assert box.call("launch", {}) == "Error: there is no tool named launch; there are divide, long"
    assert len(box.call("long", {})) < 20_000
    assert [schema["function"]["name"] for schema in box.schemas] == ["divide", "long"]
    with pytest.raises(UsageError, match="two tools named divide"):
        box.add(divide)
    call = ToolCallEvent("call_1", "divide", {"a": 1, "b": 2}, "")
    assert box.answer(call) == {"role": "tool", "tool_call_id": "call_1", "name": "divide", "content": "0.5"}
    assert box.answer(ToolCallEvent("call_2", "", {}, "x", "it is broken"))["content"] == "Error: it is broken"


def test_pydantic_models() -> None:
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Point", x=(int, ...), y=(int, 0))

    def move(to: model) -> str:  # type: ignore[valid-type]
        return f"{to.x},{to.y}"  # type: ignore[attr-defined]

    move.__annotations__["to"] = model
    assert schema_of(move)["function"]["parameters"]["properties"]["to"]["required"] == ["x"]
    assert tool(move).run({"to": {"x": 3}}) == "3,0"
    with pytest.raises(UsageError, match="does not fit"):
        tool(move).run({"to": {"x": "a"}})
