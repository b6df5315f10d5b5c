"""The demo model's tokenizer and chat format.

    python -m demo_model.tokenizer OUT_DIR      # trains tokenizer.json on generated conversations

Byte-level BPE with the pre-tokeniser of Qwen3.5 (digits stand alone). The chat template beside this file is the only
place where a conversation becomes text: training renders through it as the engine does.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from .data.common import Conversation

TEMPLATE = Path(__file__).with_name("chat_template.jinja")
VOCABULARY = 4096
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
ADDED = ["<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"]
# Qwen's pattern, less its case of contractions: that one would cut the word in 'sun' as 's + un.
PATTERN = r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# The same with what stands before a word cut off.
BARE = r"[\p{L}\p{M}]+|\p{N}|[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+"
BARE_ENTRIES = 2500
RESERVED = re.compile("|".join(re.escape(token) for token in SPECIAL + ADDED))

# How much of the loss a token carries, in hundredths.
ANSWER, CONTEXT = 100, 10

RECUT_DOCUMENTS = 0.5
KEPT_WHOLE = """user assistant system tool function parameter type name description parameters properties required object string
 integer number boolean array items enum"""


@cache
def _template() -> Any:
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    return environment.from_string(TEMPLATE.read_text())


def plain(text: str) -> str:
    """A text in which no token of the chat format is left: `<tool_call>` becomes `< tool_call>`."""
    return RESERVED.sub(lambda found: "< " + found[0][1:], text)


def _plain_message(message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content") or ""
    return {**message, "content": plain(content)} if "<" in content else message


def render(
    messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None = None, prompt: bool = False
) -> str:
    """A conversation as text; with `prompt`, the assistant's next message is opened."""
    safe = [_plain_message(message) for message in messages]
    return _template().render(messages=safe, tools=tools or None, add_generation_prompt=prompt)


def _pieces(vocabulary: dict[str, int], merges: list[tuple[str, str]], pattern: str) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def train(texts: list[str]) -> Tokenizer:
    """A word is cut in the same pieces whether a space, a quote or nothing stands before it.

    So copying one from a sentence into JSON or an argument is copying its tokens, but for a space before the first. To
    get there the merges are learnt on bare words; joining a space to a word's first piece comes after all of them.
    """
    parts = [part for text in texts for part in RESERVED.split(text)]
    bare = _pieces({}, [], BARE)
    trainer = trainers.BpeTrainer(
        vocab_size=BARE_ENTRIES,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=20,
        show_progress=False,
    )
    bare.train_from_iterator(iter(parts), trainer)
    model = json.loads(bare.to_str())["model"]
    vocabulary, merges = model["vocab"], [tuple(merge) for merge in model["merges"]]

    # What a joint token would save, counted on text cut into bare pieces.
    whole = _pieces(vocabulary, merges, PATTERN)
    pairs: Counter[tuple[str, str]] = Counter()
    for encoding in whole.encode_batch(parts):
        tokens = encoding.tokens
        pairs.update((a, b) for a, b in itertools.pairwise(tokens) if a in ("Ġ", "'") and not b[0].isdigit())
    contractions = {"s", "t", "re", "m", "ll", "ve", "d"}
    for pair, _ in pairs.most_common():
        if len(vocabulary) == VOCABULARY - len(SPECIAL) - len(ADDED):
            break
        if "".join(pair) not in vocabulary and (pair[0] == "Ġ" or pair[1] in contractions):
            vocabulary["".join(pair)] = len(vocabulary)
            merges.append(pair)
    tokenizer = _pieces(vocabulary, merges, PATTERN)
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in SPECIAL])
    tokenizer.add_tokens([AddedToken(token, normalized=False, special=False) for token in ADDED])
    return tokenizer


class Recut:
    """Cuts some words of a document in other, smaller pieces, each alike wherever it stands in the document.

    A word that is one token is a symbol to be known; in pieces it can only be copied. Evaluation never does this: there it
    is the words that training never showed that come in pieces.
    """

    def __init__(self, tokenizer: Tokenizer):
        vocabulary = tokenizer.get_vocab()
        self.ids = vocabulary
        self.bare = np.full(max(vocabulary.values()) + 1, -1, np.int32)  # of a token with and without a space before it
        self.joint: dict[int, int] = {}
        self.cuts: dict[int, list[tuple[int, int]]] = {}
        self.space = vocabulary["Ġ"]
        kept = tokenizer.encode(KEPT_WHOLE).ids
        kept += [vocabulary[t] for t in SPECIAL + ADDED]
        for text, token in vocabulary.items():
            word = text.removeprefix("Ġ")
            if not word.isalpha() or len(word) < 2 or token in kept or vocabulary.get(word) is None:
                continue
            bare = vocabulary[word]
            cuts = [(vocabulary[word[:k]], vocabulary[word[k:]]) for k in range(1, len(word))
                    if word[:k] in vocabulary and word[k:] in vocabulary]
            if cuts:
                self.bare[token] = bare
                self.cuts[bare] = cuts
        self.joint = {token: vocabulary["Ġ" + text] for text, token in vocabulary.items() if "Ġ" + text in vocabulary}

    def _pieces(self, rng: random.Random, bare: int) -> list[int]:
        left, right = rng.choice(self.cuts[bare])
        return [piece for part in (left, right) for piece in
                (self._pieces(rng, part) if part in self.cuts and rng.random() < 0.35 else [part])]

    def __call__(self, rng: random.Random, ids: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if rng.random() > RECUT_DOCUMENTS:
            return ids, weights
        words, first = np.unique(self.bare[ids], return_index=True)
        answered = set(self.bare[ids[weights == ANSWER]].tolist())
        rate = rng.choice((0.15, 0.4, 0.8))
        pieces: dict[int, list[int]] = {}
        for word, at in zip(words.tolist(), first.tolist(), strict=True):
            # A word that the assistant says first cannot be known to be cut.
            if word >= 0 and weights[at] != ANSWER and rng.random() < (rate if word in answered else 0.3 * rate):
                pieces[word] = self._pieces(rng, word)
        if not pieces:
            return ids, weights
        out: list[int] = []
        lengths: list[int] = []
        for token, word in zip(ids.tolist(), self.bare[ids].tolist(), strict=True):
            before = len(out)
            if word in pieces:
                cut = pieces[word]
                if token != word:  # a space stands before it
                    joint = self.joint.get(cut[0])
                    cut = [self.space, *cut] if joint is None else [joint, *cut[1:]]
                out += cut
            else:
                out.append(token)
            lengths.append(len(out) - before)
        return np.array(out, np.uint16), np.repeat(weights, lengths)


class Encoder:
    """Conversations to tokens and loss weights."""

    def __init__(self, path: Path | str):
        self.tokenizer = Tokenizer.from_file(str(path))
        self.end, self.start, self.stop = (self.tokenizer.token_to_id(token) for token in SPECIAL)
        opening = self.tokenizer.encode("<|im_start|>assistant\n").ids
        self.opening = np.array(opening, np.uint16)
        self.recut = Recut(self.tokenizer)

    def encode(
        self, conversations: list[Conversation], rng: random.Random | None = None
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """(ids, weights) for each; a document ends with <|endoftext|>. With `rng`, words are cut as for training."""
        texts = [
            render(conversation.messages, conversation.tools) + SPECIAL[0] for conversation in conversations
        ]
        out = []
        for encoding in self.tokenizer.encode_batch_fast(texts):
            ids = np.array(encoding.ids, np.uint16)
            weight = np.full(len(ids), CONTEXT, np.uint8)
            weight[0] = weight[-1] = 0
            stops = np.flatnonzero(ids == self.stop)
            starts = np.flatnonzero(ids == self.start)
            n = len(self.opening)
            for start, stop in zip(starts, stops, strict=True):
                if np.array_equal(ids[start : start + n], self.opening):
                    weight[start + n : stop + 1] = ANSWER
            out.append(self.recut(rng, ids, weight) if rng else (ids, weight))
        return out

    def prompt(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None = None) -> list[int]:
        return self.tokenizer.encode(render(messages, tools, prompt=True)).ids

    def decode(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=False)


def main() -> None:
    from .data.mixture import SHARES, Mixture

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--characters", type=int, default=12_000_000)
    parser.add_argument("--seed", type=int, default=20)
    options = parser.parse_args()
    mixture = Mixture(options.seed, shares=SHARES)
    texts: list[str] = []
    total = 0
    while total < options.characters:
        conversation = mixture.conversation()
        texts.append(render(conversation.messages, conversation.tools))
        total += len(texts[-1])
    tokenizer = train(texts)
    options.out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(options.out / "tokenizer.json"))
    print(f"{tokenizer.get_vocab_size()} entries from {total:,} characters")


if __name__ == "__main__":
    main()
