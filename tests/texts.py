"""A tokenizer and texts of all kinds, for tests of everything that handles text."""

from __future__ import annotations

from hypothesis import strategies as st

from flashmoe.text.template import ChatTemplate

from .fake_model import ADDED, SPECIAL, TEMPLATE, make_tokenizer, reference_tokenizer

TOKENIZER = make_tokenizer()
REFERENCE = reference_tokenizer()
CHAT = ChatTemplate(TEMPLATE, TOKENIZER)
CONTROL = SPECIAL + ADDED
EMOJI = "👩‍🚀é̂🇳🇴\U0001f3f4‍☠️ก็"
plain = st.text() | st.text(alphabet="ab <|>/_imstendhinkool\n'1" + EMOJI, max_size=40)
# Text in which control tokens, and pieces of them, are likely.
hostile = st.lists(plain | st.sampled_from(CONTROL) | st.sampled_from([text[:5] for text in CONTROL])).map("".join)


def cuts(text: str, data: st.DataObject) -> list[str]:
    """The text in pieces."""
    at = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    return [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)]
