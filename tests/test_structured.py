"""Answers that must have a form: masks over the vocabulary, and what comes out of a model that has no idea."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashmoe.errors import UsageError
from flashmoe.sampling import Sampler, Sampling
from flashmoe.structured import Constraint
from flashmoe.text.toolcalls import AnswerParser, ToolCall

from .fake_model import FakeModel, make_tokenizer

TOKENIZER = make_tokenizer()
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
TOOLS = [
    {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "days": {"type": "integer"},
                "unit": {"enum": ["celsius", "fahrenheit"]},
                "where": {"$ref": "#/$defs/place"},
            },
            "$defs": {"place": {"type": "array", "items": {"type": "number"}, "maxItems": 2}},
            "required": ["city", "where"],
        },
    },
    {"name": "now", "parameters": {"type": "object", "properties": {}, "additionalProperties": False}},
    {"name": "note", "parameters": {"type": "object"}},
]


def allowed(constraint: Constraint, vocab: int = 0) -> set[int]:
    logits = np.zeros(vocab or TOKENIZER.vocab_size, np.float32)
    constraint.mask(logits)
    return set(np.flatnonzero(np.isfinite(logits)).tolist())


def accepts(constraint: Constraint, text: str) -> bool:
    """Whether a text is allowed token by token, and may end there."""
    one = constraint.fresh()
    for token in TOKENIZER.encode(text, special=True):
        if token not in allowed(one):
            return False
        one.accept(token)
    return one.complete


def random_answer(constraint: Constraint, seed: int, most: int = 400) -> tuple[str, bool]:
    """What a model with random logits writes; and whether it came to an end. Ends are likely, as in a model."""
    random = np.random.default_rng(seed)
    sampler = Sampler(Sampling(temperature=1, top_k=0, top_p=1, seed=seed, constraint=constraint))
    favourites = [id for text in ('"', "}", "]", "\n</parameter>\n") for id in TOKENIZER.encode(text)]
    ids: list[int] = []
    for _ in range(most):
        logits = random.normal(0, 2, TOKENIZER.vocab_size + 7).astype(np.float32)
        logits[favourites] += 4
        token, _ = sampler.sample(logits)
        if token in TOKENIZER.eos_ids:
            return TOKENIZER.decode(ids), True
        ids.append(token)
        if sampler.done:
            return TOKENIZER.decode(ids), True
    return TOKENIZER.decode(ids), False


def test_the_vocabulary_maps_right() -> None:
    constraint = Constraint.json_schema({"const": "naïve 你好 🎉"}, TOKENIZER)
    assert accepts(constraint, '"naïve 你好 🎉"')
    assert not accepts(constraint, '"naive"')
    # Control tokens match no text, not even where any text will do.
    free = Constraint.grammar('start: /(.|\\n)*/', TOKENIZER)
    control = TOKENIZER.control_ids - TOKENIZER.eos_ids
    assert not allowed(free) & control
    assert TOKENIZER.encode("<|im_end|>")[0] in allowed(free)
    # Rows of the model's embedding beyond the tokenizer are no tokens.
    assert max(allowed(free, TOKENIZER.vocab_size + 50)) < TOKENIZER.vocab_size


@given(st.text(st.characters(exclude_characters="\x7f", exclude_categories=["Cs"]), max_size=30))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_json_string(text: str) -> None:
    constraint = Constraint.json_schema({"type": "string"}, TOKENIZER)
    assert accepts(constraint, json.dumps(TOKENIZER.decode(TOKENIZER.encode(text)), ensure_ascii=False))


def test_a_schema_is_followed() -> None:
    constraint = Constraint.json_schema(PERSON, TOKENIZER)
    assert accepts(constraint, '{"name": "Ann", "age": 3}')
    assert accepts(constraint, '{\n  "name": "Ann",\n  "age": 3\n}')
    assert not accepts(constraint, '{"name": "Ann"}')
    assert not accepts(constraint, '{"name": "Ann", "age": "3"}')
    assert not accepts(constraint, '{\\name\\: "Ann"')
    assert not accepts(constraint, '{"name":     "Ann", "age": 3}'), "white space has no way to go on for ever"


@pytest.mark.parametrize("seed", range(10))
def test_random_logits_write_what_the_schema_says(seed: int) -> None:
    text, ended = random_answer(Constraint.json_schema(PERSON, TOKENIZER), seed)
    if ended:
        value = json.loads(text)
        assert set(value) == {"name", "age"}
        assert isinstance(value["age"], int)
    text, ended = random_answer(Constraint.json_object(TOKENIZER), seed)
    if ended:
        assert isinstance(json.loads(text), dict)


def test_grammars() -> None:
    lark = Constraint.grammar('start: "yes" | "no"', TOKENIZER)
    gbnf = Constraint.grammar('root ::= "yes" | "no"', TOKENIZER)
    for constraint in (lark, gbnf):
        assert accepts(constraint, "yes")
        assert not accepts(constraint, "maybe")
    used = lark.fresh()
    for token in TOKENIZER.encode("no"):
        used.accept(token)
    assert used.done and used.complete and not lark.done
    assert allowed(used) == TOKENIZER.eos_ids
    with pytest.raises(UsageError, match="the constraint (forbids|cannot go on)"):
        lark.fresh().accept(TOKENIZER.encode("x")[0])


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (lambda: Constraint.json_schema({"type": "nope"}, TOKENIZER), "Invalid type: nope"),
        (lambda: Constraint.json_schema({"type": "string", "not": {"const": "a"}}, TOKENIZER), "not"),
        (lambda: Constraint.json_schema({"$ref": "http://example.org/x"}, TOKENIZER), "not fetch"),
        (lambda: Constraint.json_schema({"a": object()}, TOKENIZER), "no JSON"),
        (lambda: Constraint.json_schema(nested(5000), TOKENIZER), "recursion|no JSON|nested"),
        (lambda: Constraint.grammar("start: " + "(" * 5000 + '"a"' + ")" * 5000, TOKENIZER), "nested"),
        (lambda: Constraint.grammar("root ::= missing", TOKENIZER), "missing"),
        (lambda: Constraint.grammar("", TOKENIZER), "Empty"),
        (lambda: Constraint.tool_calls([], TOKENIZER), "no tools"),
        (lambda: Constraint.tool_calls(TOOLS, TOKENIZER, "launch"), "no tool named launch"),
    ],
)
def test_what_cannot_be_followed_is_refused(make: Any, wanted: str) -> None:
    with pytest.raises(UsageError, match=wanted):
        make()


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"items": schema}
    return schema


XML = (
    "<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\nor so</parameter>\n</parameter>\n"
    "<parameter=where>\n[1, 2.5]\n</parameter>\n</function>\n</tool_call>"
)
JSON = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo", "where": [1]}}\n</tool_call>'


def test_tool_calls_in_both_forms() -> None:
    auto = Constraint.tool_calls(TOOLS, TOKENIZER)
    assert accepts(auto, "Good morning.")
    assert accepts(auto, XML)
    assert accepts(auto, f"Let me see.\n\n{XML}\n{XML}")
    assert not accepts(auto, XML.replace("[1, 2.5]", "there"))
    assert not accepts(auto, XML.replace("get_weather", "launch"))
    assert not accepts(auto, JSON)
    required = Constraint.tool_calls(TOOLS, TOKENIZER, "required", form="json")
    assert accepts(required, JSON)
    assert not accepts(required, "Good morning.")
    assert not accepts(required, JSON.replace('"where": [1]', '"where": 1'))
    one = Constraint.tool_calls(TOOLS, TOKENIZER, "now")
    assert accepts(one, "<tool_call>\n<function=now>\n</function>\n</tool_call>")
    assert not accepts(one, XML)
    single = Constraint.tool_calls(TOOLS, TOKENIZER, "required", parallel=False)
    assert not accepts(single, f"{XML}\n{XML}")


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"maxLength": 4}, ["", "Oslo", "a\nbc", "größ"], ["Bergen", "a\nb\nc"]),
        ({"minLength": 2, "maxLength": 3}, ["ab", "abc"], ["a", "", "abcd"]),
        ({"minLength": 3}, ["abc", "a" * 50], ["ab"]),
        ({"pattern": "^[A-Z]{2}-[0-9]+$"}, ["AB-1", "NO-1234"], ["ab-1", "AB-", "xAB-1", "AB-1x"]),
        ({"pattern": "/etc"}, ["/etc", "cat /etc/hosts"], ["/et", "etc"]),
        ({"pattern": "^(a|b)$"}, ["a", "b"], ["ab", "c", ""]),
        ({"pattern": "a|b"}, ["xax", "b"], ["x"]),
        ({"pattern": r"\\$"}, ["x\\"], ["x$", "x"]),
        ({"pattern": r"\$"}, ["5$ each"], ["5"]),
        ({"pattern": "^[^|]+$", "maxLength": 3}, ["abc"], ["a|b", "abcd"]),
        ({"enum": ["kg", "m/s", "</b>"]}, ["kg", "m/s", "</b>"], ["k", "kgm"]),
        ({"pattern": "a", "maxLength": 20}, ["a"], ["a</parameter>"]),
    ],
)
def test_strings_of_the_xml_form_follow_their_schema(schema: dict[str, Any], good: list[str], bad: list[str]) -> None:
    parameters = {"type": "object", "properties": {"x": {"type": "string", **schema}}, "required": ["x"]}
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    constraint = Constraint.tool_calls([tool], TOKENIZER, "required")

    def call(value: str) -> str:
        return f"<tool_call>\n<function=f>\n<parameter=x>\n{value}\n</parameter>\n</function>\n</tool_call>"

    assert [value for value in good if not accepts(constraint, call(value))] == []
    assert [value for value in bad if accepts(constraint, call(value))] == []


@pytest.mark.parametrize(
    "schema", [{"pattern": "^a|b$"}, {"pattern": "(?<=a)b"}, {"pattern": "["}, {"pattern": 5}, {"maxLength": -1}]
)
def test_strings_of_the_xml_form_that_cannot_be_held_to_it(schema: dict[str, Any]) -> None:
    parameters = {"type": "object", "properties": {"x": {"type": "string", **schema}}}
    with pytest.raises(UsageError):
        Constraint.tool_calls([{"function": {"name": "f", "parameters": parameters}}], TOKENIZER, "required")


@pytest.mark.parametrize("form", ["xml", "json"])
@pytest.mark.parametrize("seed", range(12))
def test_random_logits_write_calls_that_can_be_carried_out(form: Any, seed: int) -> None:
    constraint = Constraint.tool_calls(TOOLS, TOKENIZER, "required", form=form, parallel=False)
    text, ended = random_answer(constraint, seed)
    parser = AnswerParser(TOOLS)
    parts = [*parser.push(text), *parser.finish()]
    if ended:
        (call,) = parts
        assert isinstance(call, ToolCall)
        assert call.error == "", text


def test_greedy_and_drawn_answers_keep_to_the_form() -> None:
    from flashmoe.generate import generate

    model = FakeModel(['{\\name\\: "Ann"}'])
    prompt = [*model.tokenizer.encode("<|im_start|>assistant\n", special=True)]
    constraint = Constraint.json_schema({"enum": ["Ann", "Bob"]}, model.tokenizer)
    for temperature in (0, 5):
        for _ in range(2):  # each answer begins the constraint anew
            answer = generate(model, prompt, sampling=Sampling(temperature=temperature), constraint=constraint)
            text = "".join(token.text for token in answer)
            assert text in ('"Ann"', '"Bob"')
            assert answer.finish_reason == "stop"
