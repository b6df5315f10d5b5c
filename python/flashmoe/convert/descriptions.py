"""The small files of a result, which say what the shards hold: index, config.json, the manifest, and the source's
tokenizer files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from .._version import __version__
from ..checkpoints.config import read_raw_config
from ..checkpoints.safetensors import INDEX_NAME
from ..spec import ModelSpec
from .files import write_file
from .folder import MANIFEST_NAME
from .plan import Module, Settings, Shard, attention_interval

_COPIED = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
    "LICENSE",
)


def write_descriptions(
    spec: ModelSpec, settings: Settings, shards: list[Shard], partial: Path, state: dict[str, Any]
) -> None:
    """Tokenizer files, index, config.json and, last of all, the manifest."""
    files: dict[str, Any] = dict(state["done"])
    contents = {}
    for name in _COPIED:
        if (spec.path / name).is_file():
            contents[name] = (spec.path / name).read_bytes()
    parts = [(part, shard.name) for shard in shards for module in shard.modules for part in module.parts]
    index = {
        "metadata": {"total_size": sum(part.bytes for part, _ in parts)},
        "weight_map": {part.name: name for part, name in sorted(parts, key=lambda pair: pair[0].name)},
    }
    contents[INDEX_NAME] = _dump(index)
    contents["config.json"] = _dump(_config(spec, [module for shard in shards for module in shard.modules]))
    for name, data in contents.items():
        write_file(partial / name, data)
        files[name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    identity = {key: state[key] for key in ("source", "fingerprint", "settings")}
    manifest = {"version": 1, "written_by": f"flashmoe {__version__}", **identity, "files": files}
    write_file(partial / MANIFEST_NAME, _dump(manifest))


def _config(spec: ModelSpec, modules: list[Module]) -> dict[str, Any]:
    """config.json as mlx-lm writes it: text_config, and quantization with each module that differs from the
    default."""
    raw = read_raw_config(spec.path)
    c = spec.config
    dropped = ("quantization", "quantization_config", "rope_theta", "rope_scaling", "partial_rotary_factor")
    text = {key: value for key, value in raw.text.items() if key not in (*dropped, "text_config", "vision_config")}
    rope = {**(raw.text.get("rope_scaling") or {}), **(raw.text.get("rope_parameters") or {})}
    rope.pop("type", None)
    rope |= {
        "rope_type": "default",
        "rope_theta": c.rope_theta,
        "partial_rotary_factor": c.rope_dim / c.head_dim,
    }
    interval = attention_interval(spec)
    text |= {
        "model_type": "qwen3_5_moe_text",
        "layer_types": list(c.layer_types),
        "head_dim": c.head_dim,
        "rms_norm_eps": c.norm_eps,
        "rope_parameters": rope,
        "tie_word_embeddings": c.tied_head,
    }
    text.pop("full_attention_interval", None)
    if interval is not None:
        text["full_attention_interval"] = interval
    kept = (
        "eos_token_id",
        "bos_token_id",
        "pad_token_id",
        "transformers_version",
        "image_token_id",
        "video_token_id",
    )
    config: dict[str, Any] = {key: raw.top[key] for key in kept if key in raw.top}
    config |= {
        "architectures": ["Qwen3_5MoeForConditionalGeneration"],
        "model_type": "qwen3_5_moe",
        "tie_word_embeddings": c.tied_head,
        "text_config": text,
    }
    affine = {module.path: module.target for module in modules if module.target.dtype == "affine"}
    if affine:
        widths = [(form.bits, form.group) for form in affine.values()]
        bits, group = max(dict.fromkeys(widths), key=widths.count)
        quantization: dict[str, Any] = {"group_size": group, "bits": bits, "mode": "affine"}
        for path, form in affine.items():
            if (form.bits, form.group) != (bits, group):
                quantization[path] = {"group_size": form.group, "bits": form.bits}
        config |= {"quantization": quantization, "quantization_config": quantization}
    return dict(sorted(config.items()))


def _dump(value: Any) -> bytes:
    return json.dumps(value, indent=4, ensure_ascii=False).encode() + b"\n"
