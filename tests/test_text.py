"""Tokenizer, chat template, detokenizer, stop strings and the parser of answers."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from flashmoe.errors import CheckpointError, TemplateError, UsageError
from flashmoe.text.detokenize import BYTE_LEVEL
from flashmoe.text.stops import StopFilter
from flashmoe.text.template import ChatTemplate, normalize
from flashmoe.text.tokenizer import Tokenizer
from flashmoe.text.toolcalls import AnswerParser, Part, Reasoning, Text, ToolCall

from .fake_model import ADDED, SPECIAL, TEMPLATE, make_tokenizer, reference_tokenizer

TOKENIZER = make_tokenizer()
REFERENCE = reference_tokenizer()
CHAT = ChatTemplate(TEMPLATE, TOKENIZER)
CONTROL = SPECIAL + ADDED
EMOJI = "👩‍🚀é̂🇳🇴\U0001f3f4‍☠️ก็"

plain = st.text() | st.text(alphabet="ab <|>/_imstendhinkool\n'1" + EMOJI, max_size=40)
# Text in which control tokens, and pieces of them, are likely.
hostile = st.lists(plain | st.sampled_from(CONTROL) | st.sampled_from([text[:5] for text in CONTROL])).map(
    "".join
)


def cuts(text: str, data: st.DataObject) -> list[str]:
    """The text in pieces."""
    at = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    return [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)]


# ---- tokenizer


@given(hostile)
def test_control_tokens_in_text_are_ordinary_text(text: str) -> None:
    ids = TOKENIZER.encode(text)
    assert not {TOKENIZER.control_id(token) for token in CONTROL} & set(ids)
    normal = REFERENCE.normalizer.normalize_str(text.encode("utf-8", "replace").decode())
    assert TOKENIZER.decode(ids, special=True) == normal


@given(hostile)
def test_special_encoding_is_that_of_the_library(text: str) -> None:
    assert TOKENIZER.encode(text, special=True) == REFERENCE.encode(text, add_special_tokens=False).ids


def test_broken_surrogates_become_replacement_characters() -> None:
    assert TOKENIZER.decode(TOKENIZER.encode("a\ud83d\ude00 \udcffb")) == "a😀 �b"


def test_ids_beyond_the_models_vocabulary_are_refused() -> None:
    small = make_tokenizer(vocab=200)
    with pytest.raises(UsageError, match="belongs to another model"):
        small.encode("Hello there")
    padded = make_tokenizer(vocab=10_000)
    assert padded.decode([*padded.encode("Hello"), 9_999]) == "Hello"


def test_end_tokens() -> None:
    assert Tokenizer(reference_tokenizer(), eos_ids=(7,)).eos_ids == {7, TOKENIZER.control_id("<|im_end|>")}


def test_decoding_hides_ends_of_messages_and_shows_markup() -> None:
    ids = TOKENIZER.encode("<think>a</think>b<|im_end|>", special=True)
    assert TOKENIZER.decode(ids) == "<think>a</think>b"
    assert TOKENIZER.decode(ids, special=True) == "<think>a</think>b<|im_end|>"


def test_a_file_that_is_no_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
        Tokenizer.from_file(tmp_path / "tokenizer.json")


# ---- incremental text


@given(plain)
def test_streamed_text_is_the_text_and_never_half_a_character(text: str) -> None:
    ids = TOKENIZER.encode(text)
    stream = TOKENIZER.stream()
    pieces = [stream.push(token) for token in ids]
    assert all("\ufffd" not in piece for piece in pieces) or "\ufffd" in text
    assert "".join(pieces) + stream.finish() == REFERENCE.normalizer.normalize_str(text)


@given(st.lists(st.integers(0, TOKENIZER.vocab_size - 1), max_size=40))
def test_any_tokens_decode_as_the_library_does(ids: list[int]) -> None:
    assert TOKENIZER.decode(ids, special=True) == REFERENCE.decode(ids, skip_special_tokens=False)


def test_byte_level_alphabet() -> None:
    assert set(BYTE_LEVEL) == set(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    assert sorted(BYTE_LEVEL.values()) == list(range(256))


def test_fallback_bytes() -> None:
    vocab = {"<unk>": 0, "▁": 1, "a": 2, **{f"<0x{byte:02X}>": 3 + byte for byte in range(256)}}
    backend = tokenizers.Tokenizer(
        tokenizers.models.BPE(vocab=vocab, merges=[], byte_fallback=True, unk_token="<unk>")
    )
    backend.normalizer = tokenizers.normalizers.Replace(" ", "▁")
    backend.decoder = tokenizers.decoders.Sequence(
        [
            tokenizers.decoders.Replace("▁", " "),
            tokenizers.decoders.ByteFallback(),
            tokenizers.decoders.Fuse(),
        ]
    )
    tokenizer = Tokenizer(backend)
    stream = tokenizer.stream()
    pieces = [stream.push(token) for token in tokenizer.encode("a 🎉a")]
    assert pieces == ["a", " ", "", "", "", "🎉", "a"]


def test_unfinished_bytes_at_the_end_show_as_a_replacement() -> None:
    ids = TOKENIZER.encode("🎉")
    broken = [token for token in ids if token != ids[-1]]
    stream = TOKENIZER.stream()
    assert "".join(map(stream.push, broken)) + stream.finish() in ("\ufffd", "")


def test_streaming_takes_linear_time() -> None:
    ids = [next(iter(TOKENIZER.encode(chr(0x80)[:1])))] * 200_000  # bytes that never make a character
    stream = TOKENIZER.stream()
    start = time.thread_time()
    for token in ids:
        stream.push(token)
    assert time.thread_time() - start < 2.0


# ---- template


def rendered(messages: list[dict[str, Any]], **options: Any) -> str:
    """What plain Jinja makes of the template, control tokens in the messages included."""
    return str(CHAT._template.render(messages=messages, **options))


@given(plain, plain, plain)
def test_prompts_have_the_ids_of_their_whole_text(system: str, user: str, result: str) -> None:
    messages = [
        {"role": "system", "content": system},
        {"role": "user", "content": user},
        {"role": "tool", "content": result},
    ]
    tools = [{"type": "function", "function": {"name": "f", "description": user}}]
    if any(token in text for token in CONTROL for text in (system, user, result)):
        return
    text = rendered(messages, tools=tools, add_generation_prompt=True)
    ids = TOKENIZER.encode_pieces(CHAT.prompt(messages, tools))
    assert ids == REFERENCE.encode(text, add_special_tokens=False).ids


@given(hostile, hostile, hostile)
def test_messages_cannot_write_control_tokens(user: str, description: str, result: str) -> None:
    messages = [
        {"role": "user", "content": [{"type": "text", "text": user}, {"type": "text", "text": description}]},
        {
            "role": "assistant",
            "tool_calls": [{"function": {"name": user, "arguments": {description: result}}}],
        },
        {"role": "tool", "content": result},
    ]
    tools = [{"type": "function", "function": {"name": "f" + user, "description": description, result: 1}}]
    control = [piece for piece in CHAT.prompt(messages, tools) if isinstance(piece, int)]
    harmless = [
        {"role": "user", "content": "u"},
        {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"a": "b"}}}]},
        {"role": "tool", "content": "r"},
    ]
    assert control == [piece for piece in CHAT.prompt(harmless, tools) if isinstance(piece, int)]
    text = TOKENIZER.decode(TOKENIZER.encode_pieces(CHAT.prompt(messages, tools)), special=True)
    assert REFERENCE.normalizer.normalize_str(user + description).strip()[:10] in text


def test_text_beyond_ascii_stays_readable_in_tools() -> None:
    tools = [{"type": "function", "function": {"name": "f", "description": "größer 🎉"}}]
    pieces = CHAT.prompt([{"role": "user", "content": "x"}], tools)
    assert any("größer 🎉" in piece for piece in pieces if isinstance(piece, str))


@pytest.mark.parametrize(
    "source",
    [
        "{{ messages.__class__.__mro__ }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ messages.append({}) }}",
        "{{ raise_exception.__globals__ }}",
        "{{ (messages | map(attribute='__class__') | list).pop() }}{{ messages.clear() }}",
        "{% for i in range(10**9) %}{% endfor %}",
    ],
)
def test_the_sandbox_holds(source: str) -> None:
    try:
        pieces = ChatTemplate(source, TOKENIZER).prompt([{"role": "user", "content": "x"}])
    except TemplateError:
        return
    text = "".join(piece for piece in pieces if isinstance(piece, str))
    assert "class" not in text
    assert "uid=" not in text
    assert "globals" not in text


def test_template_errors_say_what_is_wrong() -> None:
    with pytest.raises(TemplateError, match="no chat template"):
        ChatTemplate(None, TOKENIZER)
    with pytest.raises(TemplateError, match="line 2"):
        ChatTemplate("\n{% if %}", TOKENIZER)
    user = [{"role": "user", "content": "x"}]
    with pytest.raises(TemplateError, match="refuses these messages: no system role"):
        ChatTemplate("{{ raise_exception('no system role') }}", TOKENIZER).prompt(user)
    with pytest.raises(TemplateError, match="lack"):
        ChatTemplate("{{ messages[3].content.x }}", TOKENIZER).prompt(user)
    with pytest.raises(TemplateError, match="sandbox"):
        ChatTemplate("{{ messages.append(1) }}", TOKENIZER).prompt(user)


def test_template_functions_of_transformers() -> None:
    source = (
        "{% for m in messages %}{% if loop.index > 1 %}{% break %}{% endif %}"
        "{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}"
        "{{ strftime_now('%Y')|length }}{{ bos_token }}{{ {'b': 1, 'a': 'é'}|tojson }}{{ enable_thinking }}"
    )
    chat = ChatTemplate(source, TOKENIZER, {"bos_token": "<|endoftext|>"})
    messages = [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}]
    assert chat.prompt(messages, enable_thinking=False) == [
        "one4",
        TOKENIZER.control_id("<|endoftext|>"),
        '{"b": 1, "a": "é"}False',
    ]


def test_messages_are_brought_into_one_shape() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "assistant", "content": "<think>\nwhy\n</think>\n\nso"},
    ]
    user, caller, thinker = normalize(messages)
    assert user["content"] == "ab"
    assert caller["content"] == ""
    assert caller["tool_calls"][0]["function"] == {
        "name": "f",
        "arguments": {"a": 1},
    }
    assert thinker["content"] == "so"
    assert thinker["reasoning_content"] == "why"
    assert isinstance(call["function"]["arguments"], str), "the caller's messages stay as they are"


@pytest.mark.parametrize(
    ("messages", "wanted"),
    [
        ([], "no messages"),
        ("Hello", "messages are a list"),
        ({"role": "user"}, "messages are a list"),
        (["Hello"], "message 0 is str"),
        ([{"role": "robot", "content": ""}], "the role 'robot'"),
        ([{"role": "user", "content": 3}], "content of message 0 is int"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "image_url"),
        ([{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}], "no JSON"),
        ([{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": [1]}}]}], "an object"),
        ([{"role": "assistant", "tool_calls": ["f"]}], "tool call of message 0"),
    ],
)
def test_bad_messages_are_refused(messages: Any, wanted: str) -> None:
    with pytest.raises(TemplateError, match=wanted):
        normalize(messages)


# ---- a prompt that continues a past


def test_a_prompt_keeps_the_spelling_of_the_past() -> None:
    messages = [{"role": "user", "content": "Hello"}]
    past = TOKENIZER.encode_pieces(CHAT.prompt(messages)) + [
        TOKENIZER.encode(letter)[0] for letter in "thank you"
    ]
    messages += [{"role": "assistant", "content": "thank you"}, {"role": "user", "content": "Oslo?"}]
    pieces = CHAT.prompt(messages)
    ids = TOKENIZER.continue_prompt(pieces, past)
    assert ids[: len(past)] == past != TOKENIZER.encode_pieces(pieces)[: len(past)]
    assert TOKENIZER.decode(ids, special=True) == TOKENIZER.decode(
        TOKENIZER.encode_pieces(pieces), special=True
    )


@given(hostile, hostile, st.integers(0, 60))
def test_continuing_any_past_gives_the_same_text(old: str, new: str, cut: int) -> None:
    past = TOKENIZER.encode_pieces(CHAT.prompt([{"role": "user", "content": old}]))[:cut]
    pieces = CHAT.prompt([{"role": "user", "content": new}])
    ids, fresh = TOKENIZER.continue_prompt(pieces, past), TOKENIZER.encode_pieces(pieces)
    assert TOKENIZER.decode(ids, special=True) == TOKENIZER.decode(fresh, special=True)
    control = {TOKENIZER.control_id(token) for token in CONTROL}
    assert [token for token in ids if token in control] == [token for token in fresh if token in control]


# ---- stop strings


def first_stop(text: str, stops: list[str]) -> str | None:
    """What stands before the stop string that is complete first."""
    for end in range(len(text) + 1):
        starts = [end - len(stop) for stop in stops if text[:end].endswith(stop)]
        if starts:
            return text[: min(starts)]
    return None


@given(st.text("abc", max_size=30), st.lists(st.text("abc", min_size=1, max_size=5), max_size=4), st.data())
@settings(max_examples=500)
def test_stop_strings_over_every_split(text: str, stops: list[str], data: st.DataObject) -> None:
    filtered = StopFilter(stops)
    wanted = first_stop(text, stops)
    given_out, seen = "", ""
    for piece in cuts(text, data):
        given_out, seen = given_out + filtered.push(piece), seen + piece
        assert (wanted if wanted is not None else text).startswith(given_out)
        # Nothing is held back but what may yet become a stop string.
        if not filtered.stopped:
            held = seen[len(given_out) :]
            assert not held or any(stop.startswith(held) for stop in stops)
    assert filtered.stopped == (wanted is not None)
    assert given_out + filtered.finish() == (wanted if wanted is not None else text)


# ---- answers

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "days": {"type": "integer"},
                "factor": {"type": "number"},
                "wind": {"type": "boolean"},
                "hours": {"type": "array", "items": {"type": "integer"}},
                "where": {"anyOf": [{"type": "object"}, {"type": "null"}]},
                "unit": {"enum": ["c", "f"]},
                "zip": {"type": ["string", "integer"]},
            },
            "required": ["city"],
        },
    },
}
PLAIN = {"name": "save", "parameters": {"type": "object", "properties": {"text": {"type": "string"}}}}
TOOLS = [WEATHER, PLAIN]


def xml(name: str, **arguments: str) -> str:
    body = "".join(f"<parameter={key}>\n{value}\n</parameter>\n" for key, value in arguments.items())
    return f"<tool_call>\n<function={name}>\n{body}</function>\n</tool_call>"


def parse(pieces: list[str], thinking: bool = False, tools: Any = TOOLS) -> list[Part]:
    """The parts, with neighbouring text joined."""
    parser = AnswerParser(tools, thinking)
    parts: list[Part] = []
    for part in [*(part for piece in pieces for part in parser.push(piece)), *parser.finish()]:
        last = parts[-1] if parts else None
        if isinstance(part, Text) and isinstance(last, Text):
            parts[-1] = Text(last.text + part.text)
        elif isinstance(part, Reasoning) and isinstance(last, Reasoning):
            parts[-1] = Reasoning(last.text + part.text)
        else:
            parts.append(part)
    return parts


def the_call(text: str) -> ToolCall:
    (call,) = parse([text])
    assert isinstance(call, ToolCall)
    return call


def test_xml_calls_are_typed_by_the_schema() -> None:
    call = the_call(
        xml(
            "get_weather",
            city="Oslo",
            days="3",
            factor="1.5",
            wind="True",
            hours="[1, 2]",
            where="null",
            unit="c",
            zip="x",
        )
    )
    assert call.error == ""
    assert call.arguments == {
        "city": "Oslo",
        "days": 3,
        "factor": 1.5,
        "wind": True,
        "hours": [1, 2],
        "where": None,
        "unit": "c",
        "zip": "x",
    }


def test_strings_stay_as_written() -> None:
    for text in (
        "3",
        "null",
        '"quoted"',
        " indented\n\n  lines ",
        "",
        "</tool_call>",
        "<parameter=x>",
        "a</parameter>b",
    ):
        call = the_call(xml("save", text=text))
        assert (call.arguments, call.error) == ({"text": text}, ""), text


def test_json_calls() -> None:
    call = the_call(
        '<tool_call>\n{"name": "get_weather", "arguments": {"city": "a </tool_call> b", "days": 2}}\n'
        "</tool_call>"
    )
    assert call.arguments == {"city": "a </tool_call> b", "days": 2}
    assert not call.error
    assert the_call(
        '<tool_call>{"name": "save", "arguments": "{\\"text\\": \\"x\\"}"}</tool_call>'
    ).arguments == {"text": "x"}


def test_several_calls_with_text_and_reasoning() -> None:
    calls = f"{xml('get_weather', city='Oslo')}\n{xml('save', text='x')}"
    text = f"<think>\nhm\n</think>\n\nLet me see.\n\n{calls}\nDone.\n"
    kinds = [part.text if isinstance(part, Text | Reasoning) else part.name for part in parse([text])]
    assert kinds == ["hm", "Let me see.", "get_weather", "save", "Done.\n"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("<tool_call>\nget_weather(city='Oslo')\n</tool_call>", "neither JSON nor"),
        ('<tool_call>\n{"name": "save", "arguments": {"text": \\text\\}}\n</tool_call>', "no valid JSON"),
        ('<tool_call>{"name": "save", "arguments": {"text": "x}}</tool_call>', "no valid JSON"),
        ('<tool_call>{"arguments": {}}</tool_call>', "names no function"),
        ('<tool_call>{"name": "save", "arguments": [1]}</tool_call>', "no JSON object"),
        ('<tool_call>{"name": "save", "arguments": {"text": NaN}}</tool_call>', "NaN"),
        ("<tool_call>" + '{"a":' * 100_000 + "</tool_call>", "nested too deeply"),
        ("<tool_call>\n<function=save>\n<parameter=text>\nx\n</tool_call>", "not well formed"),
        ("<tool_call>\n<function=save>\n<parameter=text>\nx\n", "not finished"),
        ("<tool_call>", "not finished"),
        (xml("launch", city="x"), "no tool named launch; there are get_weather, save"),
        (xml("get_weather", days="2"), "lacks city"),
        (
            xml("get_weather", city="x", days="soon"),
            "days of get_weather should be of type integer, not 'soon'",
        ),
    ],
)
def test_malformed_calls_are_events(text: str, wanted: str) -> None:
    call = the_call(text)
    assert wanted in call.error
    assert call.raw or text == "<tool_call>"
    before, after, *rest = parse(
        ["Look: " + text + ("</tool_call>" if "not finished" in wanted else "") + " end"]
    )[::2]
    assert before == Text("Look:")
    assert after == Text("end")
    assert not rest


def test_without_tools_a_call_is_text() -> None:
    assert parse([xml("save", text="x")], tools=None) == [Text(xml("save", text="x"))]


def test_thinking_that_the_prompt_opened() -> None:
    assert parse(["\nhm</think>\n\nYes"], thinking=True) == [Reasoning("hm"), Text("Yes")]
    assert parse(["hm, no end "], thinking=True) == [Reasoning("hm, no end ")]


def test_a_think_tag_amid_text_is_text() -> None:
    assert parse(["Write <think> to think."]) == [Text("Write <think> to think.")]


pieces_of_answers = st.lists(
    st.sampled_from(
        [
            *(
                "<think>",
                "</think>",
                "<tool_call>",
                "</tool_call>",
                "<function=save>",
                "</function>",
                "<parameter=text>",
            ),
            *(
                "</parameter>",
                "{",
                "}",
                '"',
                "\\",
                '"name": "save"',
                '"arguments": {',
                "\n",
                "  ",
                "hello",
                "<",
                "<tool",
            ),
            xml("get_weather", city="Oslo", days="2"),
            xml("save", text="a </tool_call> b"),
            '<tool_call>\n{"name": "save", "arguments": {"text": "x"}}\n</tool_call>',
        ]
    )
    | st.text(max_size=5),
    max_size=14,
).map("".join)


@given(pieces_of_answers, st.booleans(), st.booleans(), st.data())
@settings(max_examples=1000, deadline=None)
def test_answers_parse_the_same_over_every_split(
    text: str, thinking: bool, tools: bool, data: st.DataObject
) -> None:
    given_tools = TOOLS if tools else None
    whole = parse([text], thinking, given_tools)
    assert parse(cuts(text, data), thinking, given_tools) == whole
    assert parse(list(text), thinking, given_tools) == whole


@given(pieces_of_answers, st.data())
@settings(max_examples=300, deadline=None)
def test_no_answer_is_lost(text: str, data: st.DataObject) -> None:
    """Whatever letters an answer has, they come out in some part, in order."""
    parts = parse(cuts(text, data))
    out = "".join(part.raw if isinstance(part, ToolCall) else part.text for part in parts)
    letters = [c for c in text.replace("<think>", "").replace("</think>", "") if c.isalnum()]
    kept = [c for c in out.replace("<think>", "").replace("</think>", "") if c.isalnum()]
    calls = text.count("<tool_call>") + text.count("</tool_call>")
    assert len(letters) - len(kept) <= 8 * calls
    assert json.dumps([str(part) for part in parts])
