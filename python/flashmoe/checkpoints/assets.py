"""Tokenizer file, chat template, special tokens and end-of-sequence ids of a checkpoint folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from .config import RawConfig
from .safetensors import read_json

_MAX_TEMPLATE_BYTES = 4 << 20


def tokenizer_file(folder: Path) -> Path | None:
    path = folder / "tokenizer.json"
    return path if path.is_file() else None


def chat_template(folder: Path) -> str | None:
    """From chat_template.jinja, chat_template.json or tokenizer_config.json (a string, or a list of named
    templates, of which "default" counts), in that order."""
    jinja = folder / "chat_template.jinja"
    if jinja.is_file():
        try:
            if jinja.stat().st_size > _MAX_TEMPLATE_BYTES:
                raise CheckpointError(f"{jinja}: too large for a chat template")
            return jinja.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CheckpointError(f"{jinja}: cannot be read: {error}") from None
    for file in (folder / "chat_template.json", folder / "tokenizer_config.json"):
        if file.is_file():
            template = _template(file, read_json(file).get("chat_template"))
            if template is not None:
                return template
    return None


def _template(file: Path, value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    named: dict[str, str] = {}
    if isinstance(value, list):
        for item in value:
            if not (
                isinstance(item, dict)
                and isinstance(item.get("name"), str)
                and isinstance(item.get("template"), str)
            ):
                raise CheckpointError(f"{file}: chat_template: each entry needs a name and a template")
            named[item["name"]] = item["template"]
    elif isinstance(value, dict) and all(isinstance(template, str) for template in value.values()):
        named = value
    if not named:
        raise CheckpointError(f"{file}: chat_template: must be a string or a list of named templates")
    return named.get("default", next(iter(named.values())))


def special_tokens(folder: Path) -> dict[str, str]:
    """bos_token, eos_token, pad_token and unk_token as strings, where tokenizer_config.json (or
    special_tokens_map.json) gives them."""
    tokens: dict[str, str] = {}
    for file in (folder / "special_tokens_map.json", folder / "tokenizer_config.json"):
        if not file.is_file():
            continue
        values = read_json(file)
        for name in ("bos_token", "eos_token", "pad_token", "unk_token"):
            value = values.get(name)
            if isinstance(value, dict):
                value = value.get("content")
            if isinstance(value, str):
                tokens[name] = value
            elif value is not None:
                raise CheckpointError(f"{file}: {name}: must be a string, found {type(value).__name__}")
    return tokens


def eos_ids(raw: RawConfig, folder: Path, vocab: int) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """(ids that end an answer, notes): generation_config.json's, or else config.json's. An id outside of the
    vocabulary can never be produced; it is left out and noted."""
    generation = folder / "generation_config.json"
    places: list[tuple[Path, dict[str, Any]]] = []
    if generation.is_file():
        places.append((generation, read_json(generation)))
    places += [(raw.path, raw.top), (raw.path, raw.text)]
    for file, values in places:
        value = values.get("eos_token_id")
        if value is None:
            continue
        ids = value if isinstance(value, list) else [value]
        for token in ids:
            if type(token) is not int or token < 0:
                raise CheckpointError(f"{file}: eos_token_id: {token!r} is not a token id")
        inside = tuple(dict.fromkeys(token for token in ids if token < vocab))
        outside = [token for token in ids if token >= vocab]
        return inside, (f"eos_token_id {outside[0]}, which is not in the vocabulary",) if outside else ()
    return (), ()
