"""Whether a conversation keeps its own rules."""

from __future__ import annotations

import json

from ..common import Conversation, Message


def _reference(message: Message) -> str:
    """A reference answer as the model would write it, for the scoring in `checks`."""
    text = message["content"]
    for made in message.get("tool_calls", ()):
        function = made["function"]
        parameters = "".join(f"<parameter={key}>\n{value if isinstance(value, str) else json.dumps(value)}\n</parameter>\n" for key, value in function["arguments"].items())
        text += f"<tool_call>\n<function={function['name']}>\n{parameters}</function>\n</tool_call>"
    return text


def check_conversation(conversation: Conversation) -> None:
    """Raises AssertionError when a reference answer fails its own check, or a call does not fit its schema."""
    from ...checks import score
    for check in conversation.checks:
        message = conversation.messages[check["turn"]]
        assert message["role"] == "assistant", (check, message)
        assert score(check, _reference(message), conversation.tools), (check, message, conversation)
    functions = {tool["function"]["name"]: tool["function"]["parameters"] for tool in conversation.tools}
    assert len(functions) == len(conversation.tools), conversation
    kinds = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list}
    for message in conversation.messages:
        for made in message.get("tool_calls", ()):
            parameters = functions[made["function"]["name"]]
            given = made["function"]["arguments"]
            assert set(parameters.get("required", [])) <= set(given), (given, parameters)
            for key, value in given.items():
                assert isinstance(value, kinds[parameters["properties"][key]["type"]]), (key, value, parameters)
                if "enum" in parameters["properties"][key]:
                    assert value in parameters["properties"][key]["enum"], (key, value)
