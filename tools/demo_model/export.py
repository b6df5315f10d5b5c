"""Writes the trained model as a Hugging Face folder.

    python -m demo_model.export WORK OUT_DIR      # WORK holds model.safetensors and tokenizer.json

The folder has config.json, model.safetensors (bf16, experts fused), tokenizer.json, tokenizer_config.json,
chat_template.jinja and generation_config.json. `flashmoe convert` makes the 4-bit form that ships of it.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor

from .model import Config, shapes
from .tokenizer import ADDED, SPECIAL, TEMPLATE


def save(path: Path, weights: dict[str, Tensor]) -> None:
    tensors = {name: w.detach().to("cpu", torch.bfloat16).contiguous() for name, w in weights.items()}
    save_file(tensors, str(path), metadata={"format": "pt"})


def quantised(w: Tensor, bits: int, group: int = 64) -> Tensor:
    """w as it is after affine quantisation of groups along its rows (the MLX encoder, scales and biases in bf16)."""
    x = w.detach().bfloat16().float().unflatten(-1, (-1, group))
    low, high = x.amin(-1, keepdim=True), x.amax(-1, keepdim=True)
    top = 2**bits - 1
    scale = ((high - low) / top).clamp(min=1e-7)
    from_low = low.abs() > high.abs()
    scale = torch.where(from_low, scale, -scale)
    edge = torch.where(from_low, low, high)
    q0 = torch.round(edge / scale)
    scale = torch.where(q0 != 0, edge / torch.where(q0 != 0, q0, 1.0), scale)
    bias = torch.where(q0 != 0, edge, 0.0)
    q = torch.round((x - bias) / scale).clamp(0, top)
    return (scale.bfloat16().float() * q + bias.bfloat16().float()).flatten(-2)


def bits_of(name: str, w: Tensor, bits: int = 4) -> int:
    """What `flashmoe convert` makes of a weight: gates get 8 bits, vectors and convolutions stay as they are (16)."""
    if w.ndim < 2 or "conv1d" in name:
        return 16
    return 8 if "mlp.gate." in name or "shared_expert_gate" in name else bits


def as_quantised(weights: dict[str, Tensor], bits: int = 4) -> dict[str, Tensor]:
    """The weights as a model of that many bits has them."""
    out = {}
    for name, w in weights.items():
        width = bits_of(name, w, bits)
        out[name] = w.detach().bfloat16().float() if width == 16 else quantised(w, width)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    weights = load_file(str(options.work / "model.safetensors"))
    tokenizer = Tokenizer.from_file(str(options.work / "tokenizer.json"))
    config = Config(vocab_size=tokenizer.get_vocab_size())
    wrong = {
        name
        for name, shape in shapes(config).items()
        if name not in weights or tuple(weights[name].shape) != shape
    }
    if wrong or len(weights) != len(shapes(config)):
        raise SystemExit(f"the weights do not fit the configuration: {sorted(wrong)[:5]}")
    save(options.out / "model.safetensors", weights)

    end, _, stop = (tokenizer.token_to_id(token) for token in SPECIAL)
    files = {
        "config.json": config.to_hf(eos=stop, pad=end),
        "generation_config.json": {
            "eos_token_id": [stop, end],
            "pad_token_id": end,
            "do_sample": False,
            "temperature": 0.0,
            "max_new_tokens": 256,
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": None,
            "eos_token": SPECIAL[2],
            "pad_token": SPECIAL[0],
            "unk_token": None,
            "additional_special_tokens": SPECIAL[1:],
            "clean_up_tokenization_spaces": False,
            "model_max_length": config.max_position_embeddings,
            "added_tokens_decoder": {
                str(tokenizer.token_to_id(token)): {
                    "content": token,
                    "lstrip": False,
                    "normalized": False,
                    "rstrip": False,
                    "single_word": False,
                    "special": token in SPECIAL,
                }
                for token in SPECIAL + ADDED
            },
        },
    }
    for name, content in files.items():
        (options.out / name).write_text(json.dumps(content, indent=2) + "\n")
    shutil.copy(options.work / "tokenizer.json", options.out / "tokenizer.json")
    shutil.copy(TEMPLATE, options.out / "chat_template.jinja")
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
