"""Tokens and text: control tokens, incremental text, and prompts that continue a past."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from flashmoe.errors import CheckpointError, UsageError
from flashmoe.text.detokenize import BYTE_LEVEL
from flashmoe.text.tokenizer import Tokenizer

from .fake_model import make_tokenizer, reference_tokenizer
from .texts import CHAT, CONTROL, REFERENCE, TOKENIZER, hostile, plain


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
    backend = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocab, merges=[], byte_fallback=True, unk_token="<unk>"))
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


def test_a_prompt_keeps_the_spelling_of_the_past() -> None:
    messages = [{"role": "user", "content": "Hello"}]
    past = TOKENIZER.encode_pieces(CHAT.prompt(messages)) + [TOKENIZER.encode(letter)[0] for letter in "thank you"]
    messages += [{"role": "assistant", "content": "thank you"}, {"role": "user", "content": "Oslo?"}]
    pieces = CHAT.prompt(messages)
    ids = TOKENIZER.continue_prompt(pieces, past)
    assert ids[: len(past)] == past != TOKENIZER.encode_pieces(pieces)[: len(past)]
    assert TOKENIZER.decode(ids, special=True) == TOKENIZER.decode(TOKENIZER.encode_pieces(pieces), special=True)


@given(hostile, hostile, st.integers(0, 60))
def test_continuing_any_past_gives_the_same_text(old: str, new: str, cut: int) -> None:
    past = TOKENIZER.encode_pieces(CHAT.prompt([{"role": "user", "content": old}]))[:cut]
    pieces = CHAT.prompt([{"role": "user", "content": new}])
    ids, fresh = TOKENIZER.continue_prompt(pieces, past), TOKENIZER.encode_pieces(pieces)
    assert TOKENIZER.decode(ids, special=True) == TOKENIZER.decode(fresh, special=True)
    control = {TOKENIZER.control_id(token) for token in CONTROL}
    assert [token for token in ids if token in control] == [token for token in fresh if token in control]
