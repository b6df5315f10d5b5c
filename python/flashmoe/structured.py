"""Answers that must have a given form: a constraint says before each token which ones may come next.

Grammars are compiled and run by llguidance. This module gives it the vocabulary (a token is the bytes that the
detokenizer writes for it; control tokens match no text) and writes the grammar of tool calls.

    constraint = Constraint.json_schema({"type": "object", …}, model.tokenizer)
    for token in model.generate(prompt, constraint=constraint): ...

Who drives generation by other means calls, on a `fresh()` one for each answer, `mask` before a token is drawn and
`accept` after it; `flashmoe.sampling.Sampler` does both.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from .errors import UsageError
from .text.toolcalls import CALL, END_CALL, json_types, named_schema

if TYPE_CHECKING:
    import llguidance
    from llguidance._lib import JsonCompileOptions

    from .text.tokenizer import Tokenizer

Form = Literal["xml", "json"]

# Between the parts of JSON a space, or a new line and its indentation: unlimited white space is what weak models
# lose themselves in.
_JSON_OPTIONS: JsonCompileOptions = {"whitespace_pattern": r"( |\r?\n[ \t]{0,40})"}
_STATES_MOST = 50_000  # of a lexer, at 1 to 2 kB each


class TokenConstraint(Protocol):
    """What a sampler asks before and tells after each token."""

    def mask(self, logits: npt.NDArray[np.float32]) -> None:
        """Sets the logits of tokens that may not come next to -inf, in place. logits: float32 [vocab]."""

    def accept(self, token_id: int) -> None:
        """Goes on past a token that was drawn."""

    @property
    def done(self) -> bool:
        """Whether nothing but the end may follow."""

    def fresh(self) -> TokenConstraint:
        """The same constraint at its beginning, independent of this one."""


class Constraint:
    """A grammar over the text of an answer, from its first token on. Made by the class methods.

    Raises UsageError, with what is wrong, for a schema or grammar that cannot be followed exactly.
    """

    def __init__(self, grammar: str, tokenizer: Tokenizer) -> None:
        """grammar: in llguidance's own JSON form."""
        from llguidance import LLMatcher, LLParserLimits

        limits = LLParserLimits(max_lexer_states=_STATES_MOST, verbose_errors=False)
        self._matcher = LLMatcher(_vocabulary(tokenizer), grammar, log_level=0, limits=limits)
        if not self._matcher.is_error():
            self._matcher.compute_bitmask()  # finds schemas that refer to themselves and to nothing else
        if self._matcher.is_error():
            raise UsageError(f"the grammar cannot be used: {_first_line(self._matcher.get_error())}")

    @classmethod
    def json_schema(cls, schema: Mapping[str, Any] | bool, tokenizer: Tokenizer) -> Constraint:
        """JSON that a schema allows. Keywords that cannot be enforced are an error."""
        return cls(_grammar_of_schema(schema), tokenizer)

    @classmethod
    def json_object(cls, tokenizer: Tokenizer) -> Constraint:
        """Any JSON object."""
        return cls.json_schema({"type": "object"}, tokenizer)

    @classmethod
    def grammar(cls, text: str, tokenizer: Tokenizer) -> Constraint:
        """A grammar in llguidance's Lark dialect (rule `start`), or in llama.cpp's GBNF (rule `root`)."""
        from llguidance import LLMatcher, grammar_from

        if "::=" not in text:
            return cls(LLMatcher.grammar_from_lark(text), tokenizer)
        try:
            return cls(grammar_from("gbnf", text), tokenizer)
        except ValueError as error:
            raise UsageError(str(error)) from None

    @classmethod
    def tool_calls(
        cls,
        tools: Iterable[Mapping[str, Any]],
        tokenizer: Tokenizer,
        choice: str = "auto",
        *,
        form: Form = "xml",
        parallel: bool = True,
    ) -> Constraint:
        """Answers whose tool calls are well formed, with arguments that the tools' schemas allow.

        choice: "auto" (text, then calls if any), "required" (nothing but calls), or the name of the one tool
        that must be called. form: how the model writes calls (`Prompt.call_form`). parallel: whether there may
        be several. In the XML form, declared parameters come in the order of the schema; of what a schema says of
        strings, enum, const, pattern, minLength and maxLength hold.
        """
        from llguidance import LLMatcher

        schemas = dict(map(named_schema, tools))
        if choice not in ("auto", "required"):
            if choice not in schemas:
                raise UsageError(f"there is no tool named {choice} to be called; there are {', '.join(schemas)}")
            schemas = {choice: schemas[choice]}
        if not schemas:
            raise UsageError("there are no tools to be called")
        for tag in (CALL, END_CALL):
            if tokenizer.control_id(tag) is None:
                raise UsageError(f"the tokenizer has no {tag} token, so tool calls cannot be constrained")
        several = parallel and choice in ("auto", "required")
        lark = _calls_grammar(schemas, choice == "auto", form, several)
        return cls(LLMatcher.grammar_from_lark(lark), tokenizer)

    def mask(self, logits: npt.NDArray[np.float32]) -> None:
        """As in TokenConstraint. Raises UsageError for a grammar that turns out too large while it is followed."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        if self._matcher.is_error():
            raise self._stuck()
        allowed = np.unpackbits(bits, count=min(8 * bits.size, logits.size), bitorder="little").view(bool)
        logits[: allowed.size][~allowed] = -np.inf
        logits[allowed.size :] = -np.inf

    def accept(self, token_id: int) -> None:
        if not self._matcher.is_stopped() and not self._matcher.consume_token(token_id):
            raise self._stuck() if self._matcher.is_error() else UsageError(f"the constraint forbids token {token_id}")

    def _stuck(self) -> UsageError:
        """Some grammars turn out to be too large only while they are followed."""
        return UsageError(f"the constraint cannot go on: {_first_line(self._matcher.get_error())}")

    @property
    def done(self) -> bool:
        return self._matcher.is_stopped()

    @property
    def complete(self) -> bool:
        """Whether the answer may end here."""
        return self._matcher.is_accepting()

    def fresh(self) -> Constraint:
        other = copy.copy(self)
        other._matcher = self._matcher.deep_copy()
        other._matcher.reset()
        return other


def _first_line(text: str) -> str:
    if text.strip() == "NoExtensionBias":  # llguidance's way of saying so
        return "no text fits it; does a schema refer to itself and to nothing else?"
    return text.strip().partition("\n")[0]


# ---- the vocabulary as llguidance wants it

_vocabularies: WeakKeyDictionary[Tokenizer, llguidance.LLTokenizer] = WeakKeyDictionary()


class _Vocabulary:
    """What llguidance's TokenizerWrapper asks of a tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.eos_token_id, self.bos_token_id = min(tokenizer.eos_ids), None
        self.tokens = [tokenizer.token_bytes(id) for id in range(tokenizer.vocab_size)]
        self.special_token_ids = sorted(tokenizer.control_ids)
        self._encode = tokenizer.encode

    def __call__(self, text: bytes) -> list[int]:
        return self._encode(text.decode("utf-8", "replace"))


def _vocabulary(tokenizer: Tokenizer) -> llguidance.LLTokenizer:
    if tokenizer not in _vocabularies:
        from llguidance import LLTokenizer, TokenizerWrapper

        if not tokenizer.eos_ids:
            raise UsageError("the checkpoint names no token that ends an answer, so a constrained one cannot end")
        _vocabularies[tokenizer] = LLTokenizer(
            TokenizerWrapper(_Vocabulary(tokenizer)), eos_token=sorted(tokenizer.eos_ids)
        )
    return _vocabularies[tokenizer]


# ---- grammars


def _grammar_of_schema(schema: Mapping[str, Any] | bool) -> str:
    from llguidance import LLMatcher

    return LLMatcher.grammar_from_json_schema(_json_text(schema), overrides=_JSON_OPTIONS)


def _json_text(schema: Any) -> str:
    try:
        return json.dumps(schema)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"the schema is no JSON: {error}") from None


def _calls_grammar(schemas: Mapping[str, Mapping[str, Any]], text: bool, form: Form, several: bool) -> str:
    """Lark, with one rule for each tool."""
    lines = [f"call: {CALL} {_text(chr(10))} ({' | '.join(f'tool_{i}' for i in range(len(schemas)))}) {END_CALL}"]
    calls = f"call ({_text(chr(10))} call)*" if several else "call"
    lines.insert(0, f"start: /(.|\\n)*/ ({calls})?" if text else f"start: {calls}")
    for i, (name, schema) in enumerate(schemas.items()):
        write = _xml_rules if form == "xml" else _json_rules
        lines += write(f"tool_{i}", name, schema)
    return "\n".join(lines)


def _json_rules(rule: str, name: str, schema: Mapping[str, Any]) -> list[str]:
    opening = _text(f'{{"name": {json.dumps(name, ensure_ascii=False)}, "arguments": ')
    closed = {"additionalProperties": False, **schema, "type": "object"}
    return [f"{rule}: {opening} {_json(closed)} {_text('}' + chr(10))}"]


def _xml_rules(rule: str, name: str, schema: Mapping[str, Any]) -> list[str]:
    properties = schema.get("properties")
    required = schema.get("required") or ()
    raw = f"{rule}_text"
    parts: list[str] = []
    rules: list[str] = []
    for j, (key, value) in enumerate(properties.items() if isinstance(properties, Mapping) else ()):
        body = f"{rule}_{j}"
        opening = _text(f"<parameter={key}>\n")
        rules.append(f"{body}: {opening} {_xml_value(value, schema, raw, body.upper(), rules)}")
        parts.append(body if key in required else f"{body}?")
    if not parts and schema.get("additionalProperties", True):
        rules.append(f'{rule}_any: "<parameter=" /[^>\\n]+/ {_text(">" + chr(10))} {raw}')
        parts.append(f"{rule}_any*")
    end = _text(f"\n{_END_PARAMETER}\n")
    rules.append(f"{raw}[suffix={end}]: /(.|\\n)*/")
    opening, closing = _text(f"<function={name}>\n"), _text("</function>\n")
    return [f"{rule}: {' '.join([opening, *parts, closing])}", *rules]


_END_PARAMETER = "</parameter>"


def _xml_value(value: Any, root: Mapping[str, Any], raw: str, name: str, rules: list[str]) -> str:
    """A parameter's value and its end. Strings stand bare, everything else is JSON. name: for a rule of its own."""
    end = _text(f"\n{_END_PARAMETER}\n")
    schema = value if isinstance(value, Mapping) else {}
    choices = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    if choices and all(isinstance(choice, str) for choice in choices):
        return f"({' | '.join(map(_text, choices))}) {end}"
    kinds = json_types(schema)
    if "$ref" not in schema and (not kinds or "string" in kinds):
        limits = _limits(schema) if kinds == {"string"} else []
        if not limits:
            return raw
        # One lexeme with its end, so that the value cannot swallow it.
        rules.append(f"{name}: ({' & '.join([*limits, _NO_END])}) {end}")
        return name
    shared = {key: root[key] for key in ("$defs", "definitions") if key in root}
    return f"{_json({**shared, **schema})} {end}"


_ANY = r"(.|\n)"
_NO_END = rf"~/{_ANY}*<\/parameter>{_ANY}*/"


def _limits(schema: Mapping[str, Any]) -> list[str]:
    """Regular expressions that a string must match, all of them, for its schema's pattern and lengths."""
    limits = []
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    for length in (least, 0 if most is None else most):
        if not isinstance(length, int) or length < 0:
            raise UsageError(f"minLength and maxLength should be whole numbers, not {str(length)[:40]}")
    if least or most is not None:
        limits.append(f"/{_ANY}{{{least},{'' if most is None else most}}}/")
    if "pattern" in schema:
        limits.append(f"/{_pattern(schema['pattern'])}/")
    return limits


def _pattern(pattern: Any) -> str:
    """A pattern of JSON Schema, which may match anywhere, as one that matches the whole."""
    if not isinstance(pattern, str):
        raise UsageError(f"pattern should be a string, not {str(pattern)[:40]}")
    body = pattern.removeprefix("^")
    end = re.search(r"(?<!\\)(\\\\)*\$$", body)
    body = body[:-1] if end else body
    if (end or body != pattern) and _alternates(body):
        raise UsageError(f"the pattern {pattern[:80]!r} has ^ or $ and |; put it in brackets, as in ^(a|b)$")
    before, after = "" if pattern.startswith("^") else f"{_ANY}*", "" if end else f"{_ANY}*"
    body = re.sub(r"(\\.)|/", lambda found: found[1] or r"\/", body.replace("\n", r"\n"))
    return f"{before}({body}){after}"


def _alternates(pattern: str) -> bool:
    """Whether a | stands outside of all brackets."""
    depth = 0
    for found in re.finditer(r"\\.|\[(?:\\.|[^\]])*\]|[()|]", pattern):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if found[0] == "|" and depth == 0:
            return True
    return False


def _json(schema: Mapping[str, Any]) -> str:
    return "%json " + _json_text({**schema, "x-guidance": _JSON_OPTIONS})


def _text(text: str) -> str:
    """A Lark string."""
    return json.dumps(text, ensure_ascii=False)
