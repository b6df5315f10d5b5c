"""The chat template: its sandbox, its errors, and messages brought into one shape."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from flashmoe.errors import TemplateError
from flashmoe.text.template import ChatTemplate, normalize

from .texts import CHAT, CONTROL, REFERENCE, TOKENIZER, hostile, plain


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
