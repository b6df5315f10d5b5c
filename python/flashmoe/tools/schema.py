"""Between Python functions and JSON Schema.

`schema_of` describes a function by its signature, annotations and docstring; `bind` turns a call's JSON arguments
into what the function takes. Known types: str, int, float, bool, None, Any, Literal, Enum, Optional and unions,
list, tuple, set, dict, dataclasses, TypedDict, pydantic models, and Annotated with a description.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import UsageError

_SIMPLE: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    None: {"type": "null"},
    Any: {},
    object: {},
    inspect.Parameter.empty: {},
    list: {"type": "array"},
    tuple: {"type": "array"},
    set: {"type": "array", "uniqueItems": True},
    dict: {"type": "object"},
}
_LISTS = (list, tuple, set, frozenset, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Set)
_MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_UNIONS = (typing.Union, types.UnionType)
_SECTION = re.compile(r"\s*(args|arguments|parameters|params|returns?|raises|yields?|examples?|notes?)\s*:?\s*", re.I)
_PARAMETER = re.compile(r"\s*(?::param\s+)?(?:\w+\s+)??\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s+?(\S.*)")


def schema_of(function: Callable[..., Any]) -> dict[str, Any]:
    """A function as a tool in the shape of the OpenAI API.

    The docstring's first paragraph says what it does; lines such as `city: its name`, bare, under "Args:" or as
    ":param city:", describe parameters. Raises UsageError for what JSON cannot say.
    """
    from .toolbox import Tool

    if isinstance(function, Tool):
        return function.schema
    name = getattr(function, "__name__", type(function).__name__)
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise UsageError(f"a tool needs a name; give a named function, not {name}")
    description, notes = _docstring(function)
    properties, required = {}, []
    for parameter, hint in _parameters(function):
        schema = _schema(hint, f"{parameter.name} of {name}")
        if parameter.name in notes:
            schema.setdefault("description", notes[parameter.name])
        if parameter.default is parameter.empty:
            required.append(parameter.name)
        elif _is_json(parameter.default):
            schema.setdefault("default", parameter.default)
        properties[parameter.name] = schema
    parameters = {"type": "object", "properties": properties, "required": required}
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": parameters},
    }


def bind(function: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments for a function from a call's JSON. Raises UsageError for what does not fit."""
    known = {parameter.name: (parameter, hint) for parameter, hint in _parameters(function)}
    unknown = sorted(set(arguments) - set(known))
    if unknown:
        raise UsageError(f"there is no argument {', '.join(unknown)}; there are {', '.join(known) or 'none'}")
    missing = [name for name, (p, _) in known.items() if p.default is p.empty and name not in arguments]
    if missing:
        raise UsageError(f"the call lacks {', '.join(missing)}")
    return {name: _value(known[name][1], value, name) for name, value in arguments.items()}


def _parameters(function: Callable[..., Any]) -> list[tuple[inspect.Parameter, Any]]:
    """The parameters that a call can name, with their types."""
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError) as error:
        raise UsageError(f"the annotations of {function} cannot be read: {error}") from None
    found = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise UsageError(f"a tool's arguments are named, and {parameter.name} of {function} is positional only")
        found.append((parameter, hints.get(parameter.name, parameter.empty)))
    return found


def _docstring(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """What a docstring says of the function, and of its parameters by name."""
    lines = (inspect.getdoc(function) or "").splitlines()
    names = {parameter.name for parameter in inspect.signature(function).parameters.values()}
    notes: dict[str, str] = {}
    text: list[str] = []
    current = ""
    in_text, elsewhere = True, False  # elsewhere: in a section that is not of parameters
    for line in lines:
        found = _PARAMETER.fullmatch(line)
        section = _SECTION.fullmatch(line)
        if section:
            elsewhere = not section[1].lower().startswith(("arg", "param"))
            current, in_text = "", False
        elif found and found[1] in names and not elsewhere:
            current, in_text = found[1], False
            notes[current] = found[2].strip()
        elif line.strip().startswith((":return", ":rais")):
            current, in_text = "", False
        elif not line.strip():
            current = ""
            in_text = in_text and not text
        elif current:
            notes[current] += " " + line.strip()
        elif in_text:
            text.append(line.strip())
    return " ".join(text), notes


# ---- types


def _schema(hint: Any, where: str) -> dict[str, Any]:
    with_hash = isinstance(hint, collections.abc.Hashable)
    if with_hash and hint in _SIMPLE:
        return dict(_SIMPLE[hint])
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        notes = [note for note in arguments[1:] if isinstance(note, str)]
        return {**_schema(arguments[0], where), **({"description": notes[0]} if notes else {})}
    if origin in (typing.Required, typing.NotRequired):
        return _schema(arguments[0], where)
    if origin is typing.Literal:
        return _choices(arguments)
    if origin in _UNIONS:
        return _union([_schema(argument, where) for argument in arguments])
    if origin in _LISTS:
        return _list(origin, arguments, where)
    if origin in _MAPPINGS:
        if arguments and arguments[0] is not str:
            raise UsageError(f"{where} has keys of type {arguments[0]!r}; those of JSON are strings")
        rest = _schema(arguments[1], where) if len(arguments) == 2 else {}
        return {"type": "object", **({"additionalProperties": rest} if rest else {})}
    if isinstance(hint, type):
        if issubclass(hint, enum.Enum):
            return _choices([member.value for member in hint])
        if hasattr(hint, "model_json_schema"):
            return dict(hint.model_json_schema())
        if dataclasses.is_dataclass(hint) or typing.is_typeddict(hint):
            return _object(hint, where)
    raise UsageError(f"{where} has the type {hint!r}, which JSON Schema cannot describe; use simple types")


def _choices(values: typing.Sequence[Any]) -> dict[str, Any]:
    kinds = {_SIMPLE[type(value)]["type"] for value in values if type(value) in _SIMPLE}
    return {"enum": list(values), **({"type": kinds.pop()} if len(kinds) == 1 else {})}


def _union(options: list[dict[str, Any]]) -> dict[str, Any]:
    if {} in options:
        return {}
    if all(set(option) == {"type"} for option in options):
        return {"type": [option["type"] for option in options]}
    return {"anyOf": options}


def _list(origin: Any, arguments: tuple[Any, ...], where: str) -> dict[str, Any]:
    if origin is tuple and arguments[-1:] != (Ellipsis,):
        items = [_schema(argument, where) for argument in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    unique = {"uniqueItems": True} if origin in (set, frozenset, collections.abc.Set) else {}
    return {"type": "array", "items": _schema(arguments[0], where), **unique}


def _object(kind: Any, where: str) -> dict[str, Any]:
    hints = typing.get_type_hints(kind, include_extras=True)
    if typing.is_typeddict(kind):
        # Where annotations are strings, __required_keys__ has what NotRequired takes out.
        optional = {name for name, hint in hints.items() if typing.get_origin(hint) is typing.NotRequired}
        names = list(hints)
        required = [name for name in names if name in kind.__required_keys__ and name not in optional]
    else:
        fields = [field for field in dataclasses.fields(kind) if field.init]
        missing = dataclasses.MISSING
        names = [field.name for field in fields]
        required = [f.name for f in fields if f.default is missing and f.default_factory is missing]
    properties = {name: _schema(hints[name], f"{name} of {where}") for name in names}
    return {"type": "object", "properties": properties, "required": required}


def _is_json(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_json, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    return type(value) in (str, int, float, bool, type(None))


# ---- values


def _value(hint: Any, value: Any, where: str) -> Any:
    """A JSON value as the type that a parameter has, where the two differ; UsageError where they disagree."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Annotated, typing.Required, typing.NotRequired):
        return _value(arguments[0], value, where)
    if origin in _UNIONS:
        for option in sorted(arguments, key=lambda option: option in (str, Any)):
            try:
                return _value(option, value, where)
            except UsageError:
                continue
        raise _unfit(where, hint, value)
    if origin is typing.Literal:
        if not any(value == choice and type(value) is type(choice) for choice in arguments):
            raise _unfit(where, hint, value)
        return value
    if origin in _LISTS or hint in (list, tuple, set):
        return _sequence(hint, origin or hint, arguments, value, where)
    if origin in _MAPPINGS or hint is dict:
        if not isinstance(value, dict):
            raise _unfit(where, hint, value)
        return {key: _value(arguments[1] if arguments else Any, item, where) for key, item in value.items()}
    if isinstance(hint, type):
        return _instance(hint, value, where)
    return value


def _sequence(hint: Any, origin: Any, arguments: tuple[Any, ...], value: Any, where: str) -> Any:
    if not isinstance(value, list):
        raise _unfit(where, hint, value)
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        if len(arguments) != len(value):
            raise _unfit(where, hint, value)
        return tuple(_value(kind, item, where) for kind, item in zip(arguments, value, strict=True))
    items = [_value(arguments[0] if arguments else Any, item, where) for item in value]
    return origin(items) if origin in (tuple, set, frozenset) else items


def _instance(hint: Any, value: Any, where: str) -> Any:
    if issubclass(hint, enum.Enum):
        try:
            return hint(value)
        except ValueError:
            raise _unfit(where, hint, value) from None
    if hasattr(hint, "model_validate"):
        try:
            return hint.model_validate(value)
        except ValueError as error:
            raise UsageError(f"{where} does not fit: {error}") from None
    if dataclasses.is_dataclass(hint) or typing.is_typeddict(hint):
        return _record(hint, value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    fits = isinstance(value, hint) and (hint in (bool, object) or not isinstance(value, bool))
    if hint in _SIMPLE and hint is not inspect.Parameter.empty and not fits:
        raise _unfit(where, hint, value)
    return value


def _record(hint: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise _unfit(where, hint, value)
    schema, hints = _object(hint, where), typing.get_type_hints(hint, include_extras=True)
    unknown, missing = set(value) - set(schema["properties"]), set(schema["required"]) - set(value)
    if unknown or missing:
        wrong = ", ".join(sorted(unknown or missing))
        raise UsageError(f"{where} {'has no field' if unknown else 'lacks'} {wrong}")
    return hint(**{key: _value(hints[key], item, f"{key} of {where}") for key, item in value.items()})


def _unfit(where: str, hint: Any, value: Any) -> UsageError:
    wanted = getattr(hint, "__name__", None) if typing.get_origin(hint) is None else None
    return UsageError(f"{where} should be {wanted or str(hint).replace('typing.', '')}, not {value!r}")
