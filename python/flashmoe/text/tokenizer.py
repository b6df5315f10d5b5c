"""Text to token ids and back, over the `tokenizers` library.

Control tokens (`<|im_end|>`, `<think>`, `<tool_call>` …) steer the model. Only a template may write them, so
plain `encode` takes them for ordinary text, and a prompt is built in three steps that hold whatever the
template does to a message (trimming, JSON):

    shield    in every string that comes from outside, a private character breaks up each control token
    split     the rendered prompt is cut at the control tokens that are left: those the template wrote
    encode    the pieces between them are freed of the private character and encoded as ordinary text

Pre-tokenisers do not look across a control token either, so without control tokens in the messages the ids
are those of encoding the rendered prompt as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tokenizers

from ..errors import CheckpointError, UsageError
from ..spec import ModelSpec
from .detokenize import Detokenizer, TokenBytes

# Control tokens that are part of an answer's markup, shown in its text even where a checkpoint calls them
# special.
MARKUP = ("<think>", "</think>", "<tool_call>", "</tool_call>")

_BRACKETED = re.compile(r"<.+>|\[[A-Z_/]+\]", re.DOTALL)
_SHIELDS = range(0xE000, 0xF8FF)  # Unicode's private characters

Pieces = list[int | str]
"""A prompt cut at its control tokens: an id for each of them, ordinary text between."""


class Tokenizer:
    """The tokenizer of a checkpoint.

    >>> tokenizer = Tokenizer.from_file("tokenizer.json", eos_ids=(1,), vocab=512)
    >>> tokenizer.decode(tokenizer.encode("Good morning"))
    'Good morning'
    """

    def __init__(
        self, backend: tokenizers.Tokenizer, eos_ids: Iterable[int] = (), vocab: int | None = None
    ) -> None:
        """vocab: rows of the model's embedding; ids from there on are refused. Takes the backend over."""
        self._backend = backend
        added = backend.get_added_tokens_decoder()
        # Whitespace and word tokens that some tokenizers add are text, whoever writes them.
        control = {
            id: token
            for id, token in added.items()
            if len(token.content) > 1 and (token.special or _BRACKETED.fullmatch(token.content))
        }
        self._control = {token.content: id for id, token in control.items()}
        self._control_ids = frozenset(control)
        self._swallow_before = {id for id, token in control.items() if token.lstrip}
        self._swallow_after = {id for id, token in control.items() if token.rstrip}
        self._splitter = _splitter(self._control)
        self._shielded = _shielded(self._control)
        # The backend skips special tokens when told to, so every control token is made special, and all are
        # skipped.
        unmarked = [
            tokenizers.AddedToken(
                token.content,
                single_word=token.single_word,
                lstrip=token.lstrip,
                rstrip=token.rstrip,
                normalized=token.normalized,
                special=True,
            )
            for token in control.values()
            if not token.special
        ]
        if unmarked:
            backend.add_special_tokens(unmarked)
        backend.encode_special_tokens = True
        backend.no_truncation()
        backend.no_padding()

        literal = {id: token.content for id, token in added.items()}
        decoder = backend.decoder
        state = decoder.__getstate__().decode() if decoder is not None else None
        self._bytes = TokenBytes(state, backend.id_to_token, literal)
        self._hidden = frozenset(
            id for id, token in control.items() if token.special and token.content not in MARKUP
        )
        self._size = max((backend.get_vocab_size(with_added_tokens=True) - 1, *literal), default=0) + 1
        self._vocab = self._size if vocab is None else vocab
        end = self._control.get("<|im_end|>")
        self.eos_ids: frozenset[int] = frozenset(eos_ids) | (frozenset() if end is None else {end})
        """Tokens that end an answer."""

    @classmethod
    def from_file(cls, path: Path | str, eos_ids: Iterable[int] = (), vocab: int | None = None) -> Tokenizer:
        """Of a tokenizer.json. Raises CheckpointError when it cannot be read."""
        try:
            backend = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception for whatever is wrong
            raise CheckpointError(
                f"{path} cannot be read as a tokenizer by tokenizers {tokenizers.__version__}: {error}"
            ) from error
        return cls(backend, eos_ids, vocab)

    @classmethod
    def from_spec(cls, spec: ModelSpec) -> Tokenizer:
        """That of a checkpoint, with its end tokens. Raises CheckpointError when it has none."""
        if spec.tokenizer_file is None:
            raise CheckpointError(
                f"{spec.path} has no tokenizer.json, so text cannot be turned into tokens; "
                "copy the file from where the checkpoint came from, or pass token ids"
            )
        tokenizer = cls.from_file(spec.tokenizer_file, spec.eos_ids, spec.config.vocab)
        if not spec.eos_ids:
            named = tokenizer.control_id(spec.special_tokens.get("eos_token", ""))
            tokenizer.eos_ids |= frozenset() if named is None else {named}
        return tokenizer

    @property
    def vocab_size(self) -> int:
        """Ids that stand for something; the model's vocabulary may be padded beyond."""
        return self._size

    @property
    def control_ids(self) -> frozenset[int]:
        """Tokens that steer the model."""
        return self._control_ids

    def token_bytes(self, id: int) -> bytes:
        """What a token stands for; of a control token, its name."""
        return self._bytes(id)

    def control_id(self, text: str) -> int | None:
        """The id of a control token, None if the tokenizer has no such token."""
        return self._control.get(text)

    # ---- text to ids

    def encode(self, text: str, special: bool = False) -> list[int]:
        """Ids of a text. Control tokens in it count as such only with `special`; nothing is added at either
        end."""
        if special:
            return self.encode_pieces(self.split(text))
        ids: list[int] = self._backend.encode(_well_formed(text), add_special_tokens=False).ids
        self._check(ids)
        return ids

    def encode_pieces(self, pieces: Pieces) -> list[int]:
        """Ids of a prompt that is already cut at its control tokens."""
        ids: list[int] = []
        for piece in pieces:
            if isinstance(piece, int):
                self._check((piece,))
                ids.append(piece)
            else:
                ids += self.encode(piece)
        return ids

    def split(self, text: str, shield: str = "") -> Pieces:
        """Cuts a text at the control tokens in it; `shield` is then taken out of the rest."""
        pieces: Pieces = []
        start = 0
        for found in self._splitter.finditer(text):
            token = self._control[found[0]]
            before = text[start : found.start()]
            pieces += [before.rstrip() if token in self._swallow_before else before, token]
            start = found.end()
            while token in self._swallow_after and text[start : start + 1].isspace():
                start += 1
        pieces.append(text[start:])
        if shield:
            pieces = [piece.replace(shield, "") if isinstance(piece, str) else piece for piece in pieces]
        return [piece for piece in pieces if piece != ""]

    def shield_for(self, *values: Any) -> str:
        """A private character that occurs in none of these values, for `shield` and `split`."""
        used = set().union(*(set(text) for value in values for text in _strings(value)))
        return next(shield for code in _SHIELDS if (shield := chr(code)) not in used)

    def shield(self, value: Any, shield: str) -> Any:
        """A copy of JSON-like data in which no string holds a control token, nor an end that could begin
        one."""
        if isinstance(value, str):
            return self._shielded.sub(lambda found: found[0][0] + shield + found[0][1:], value)
        if isinstance(value, Mapping):
            return {self.shield(key, shield): self.shield(item, shield) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.shield(item, shield) for item in value]
        return value

    def _check(self, ids: Sequence[int]) -> None:
        if ids and (largest := max(ids)) >= self._vocab:
            raise UsageError(
                f"the tokenizer gives token {largest} ({self._backend.id_to_token(largest)!r}), but the "
                f"model's vocabulary ends at {self._vocab - 1}: tokenizer.json belongs to another model"
            )

    # ---- ids to text

    def decode(self, ids: Iterable[int], special: bool = False) -> str:
        """Text of ids. Tokens such as `<|im_end|>` are shown only with `special`; `<think>` and `<tool_call>`
        always."""
        stream = self.stream(special)
        return "".join(map(stream.push, ids)) + stream.finish()

    def stream(self, special: bool = False) -> Detokenizer:
        """A detokenizer for ids that arrive one at a time."""
        if special:
            return Detokenizer(self._bytes)
        hidden, token_bytes = self._hidden, self._bytes
        return Detokenizer(lambda token: b"" if token in hidden else token_bytes(token))

    def continue_prompt(self, pieces: Pieces, past: Sequence[int], written: int | None = None) -> list[int]:
        """Ids of a prompt, spelt as in `past` as far as both say the same.

        A text has many spellings in tokens, and a model need not choose the one that `encode` would. Where
        the prompt repeats what the model wrote, its own tokens are kept, so that the state computed for them
        still serves.

        written: where in `past` the tokens begin that the model wrote; of these, the last text may be cut
        off.
        """
        ids: list[int] = []
        for i, piece in enumerate(pieces):
            start = end = len(ids)
            if isinstance(piece, int):
                if past[start : start + 1] != [piece]:
                    return ids + self.encode_pieces(pieces[i:])
                ids.append(piece)
                continue
            while end < len(past) and past[end] not in self._control_ids:
                end += 1
            said, wanted = self.decode(past[start:end], special=True), self._normal(piece)
            if said == wanted:
                ids += past[start:end]
            elif written is not None and written < end == len(past) and wanted.startswith(said):
                return [
                    *ids,
                    *past[start:],
                    *self.encode(wanted[len(said) :]),
                    *self.encode_pieces(pieces[i + 1 :]),
                ]
            else:
                return ids + self.encode_pieces(pieces[i:])
        return ids

    def _normal(self, text: str) -> str:
        normalizer = self._backend.normalizer
        return text if normalizer is None else str(normalizer.normalize_str(_well_formed(text)))


def _splitter(control: Iterable[str]) -> re.Pattern[str]:
    """Finds control tokens, the longest first."""
    return re.compile("|".join(map(re.escape, sorted(control, key=len, reverse=True))) or r"(?!)")


def _shielded(control: Mapping[str, int]) -> re.Pattern[str]:
    """Finds control tokens, and beginnings of them at the end of a string, where more could follow."""
    forms = [re.escape(text) for text in sorted(control, key=len, reverse=True)]
    starts = sorted({text[:n] for text in control for n in range(1, len(text))}, key=len, reverse=True)
    if starts:
        forms.append(f"(?:{'|'.join(map(re.escape, starts))})(?=\\s*\\Z)")
    return re.compile("|".join(forms) or r"(?!)")


def _strings(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _strings(key)
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)


def _well_formed(text: str) -> str:
    """The text with surrogate pairs joined and stray halves (broken JSON, undecodable arguments) as
    U+FFFD."""
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
