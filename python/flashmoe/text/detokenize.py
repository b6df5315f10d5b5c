"""Token ids to text while they stream.

A token of a byte-level vocabulary is a run of bytes, and a character may be spread over several tokens.
`TokenBytes` says which bytes a token stands for; `Detokenizer` strings them together and gives out whole
characters only. Both take constant time for each token, whatever came before.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable

_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")


def _byte_level_table() -> dict[str, int]:
    """The characters that GPT-2's byte-level alphabet uses for the 256 bytes."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {chr(byte): byte for byte in printable}
    others = (byte for byte in range(256) if byte not in set(printable))
    table.update((chr(256 + i), byte) for i, byte in enumerate(others))
    return table


BYTE_LEVEL = _byte_level_table()


class TokenBytes:
    """The bytes of each token of a vocabulary.

    decoder: the "decoder" entry of a tokenizer.json, as JSON text. Byte-level vocabularies (Qwen, Llama 3,
    GPT) and those with `<0x0A>` fallback bytes and `▁` for a space (Llama 2, Gemma) are known; anything else
    is taken literally.
    """

    def __init__(
        self, decoder: str | None, id_to_token: Callable[[int], str | None], literal: dict[int, str]
    ) -> None:
        """literal: tokens that stand for their own text whatever the decoder says (the added tokens)."""
        kinds = _decoder_kinds(json.loads(decoder)) if decoder else set()
        self._byte_level = "ByteLevel" in kinds
        self._fallback = "ByteFallback" in kinds
        self._spaces = bool(kinds & {"Metaspace", "Replace"})
        self._id_to_token = id_to_token
        self._known = {token: text.encode() for token, text in literal.items()}

    def __call__(self, token: int) -> bytes:
        """b"" for an id that the tokenizer does not have: vocabularies are padded."""
        known = self._known.get(token)
        if known is None:
            known = self._known[token] = self._bytes(self._id_to_token(token) or "")
        return known

    def _bytes(self, text: str) -> bytes:
        if self._byte_level:
            mapped = [BYTE_LEVEL.get(character) for character in text]
            if None not in mapped:
                return bytes(byte for byte in mapped if byte is not None)
        if self._fallback and (byte := _BYTE_TOKEN.fullmatch(text)):
            return bytes([int(byte[1], 16)])
        return (text.replace("▁", " ") if self._spaces else text).encode()


def _decoder_kinds(decoder: dict[str, object]) -> set[str]:
    kinds = {str(decoder.get("type"))}
    nested = decoder.get("decoders")
    for part in nested if isinstance(nested, list) else []:
        kinds |= _decoder_kinds(part)
    return kinds


class Detokenizer:
    """Text of a stream of tokens.

    >>> stream = tokenizer.stream()
    >>> text = "".join(stream.push(token) for token in ids) + stream.finish()

    Bytes that are no UTF-8 become U+FFFD, as `tokenizers` does it.
    """

    def __init__(self, token_bytes: Callable[[int], bytes]) -> None:
        self._bytes = token_bytes
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token: int) -> str:
        """The characters that this token completes."""
        return self._utf8.decode(self._bytes(token))

    def finish(self) -> str:
        """What is left of a character that was never completed, as U+FFFD."""
        return self._utf8.decode(b"", final=True)
