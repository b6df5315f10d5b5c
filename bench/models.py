"""Checkpoints of true shape with random weights, in the MLX 4-bit layout, for measuring.

    python bench/models.py OUT_DIR --shape 35b --layers 8

The weights are random but well-behaved: every product keeps the size of its input, so activations stay finite at any
depth. Only sizes and speed mean anything; the answers do not.
"""

from __future__ import annotations

import argparse
import json
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

# hidden, layers, q heads, kv heads, head dim, linear key heads, value heads, experts, top-k, inner
SHAPES = {
    "35b": (2048, 40, 16, 2, 256, 16, 32, 256, 8, 512),
    "122b": (3072, 48, 32, 2, 256, 16, 64, 256, 8, 1024),
    "397b": (4096, 60, 32, 2, 256, 16, 64, 512, 10, 1024),
}
VOCAB = 248_320
GROUP = 64


def config(shape: str, layers: int | None) -> dict:
    hidden, depth, heads, kv_heads, dim, key_heads, value_heads, experts, k, inner = SHAPES[shape]
    depth = layers or depth
    text = {
        "model_type": "qwen3_5_moe_text", "vocab_size": VOCAB, "hidden_size": hidden, "num_hidden_layers": depth,
        "layer_types": ["full_attention" if i % 4 == 3 else "linear_attention" for i in range(depth)],
        "num_attention_heads": heads, "num_key_value_heads": kv_heads, "head_dim": dim,
        "linear_num_key_heads": key_heads, "linear_num_value_heads": value_heads, "linear_key_head_dim": 128,
        "linear_value_head_dim": 128, "linear_conv_kernel_dim": 4, "num_experts": experts, "num_experts_per_tok": k,
        "moe_intermediate_size": inner, "shared_expert_intermediate_size": inner, "rms_norm_eps": 1e-6,
        "hidden_act": "silu", "tie_word_embeddings": False, "max_position_embeddings": 262_144,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e7, "partial_rotary_factor": 0.25},
    }  # fmt: skip
    quantization: dict = {"group_size": GROUP, "bits": 4, "mode": "affine"}
    for i in range(depth):
        for name in ("gate", "shared_expert_gate"):
            quantization[f"language_model.model.layers.{i}.mlp.{name}"] = {"group_size": GROUP, "bits": 8}
    return {"model_type": "qwen3_5_moe", "text_config": text, "quantization": quantization, "eos_token_id": 0}


def bf16(values: np.ndarray) -> bytes:
    return (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes()


class Random:
    """Random bytes from one block of them, at a fresh place each time: as good as new for measuring, and fast."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.block = self.rng.bytes(1 << 26)

    def bytes(self, n: int) -> Iterator[bytes]:
        while n > 0:
            start = int(self.rng.integers(0, len(self.block) // 2))
            part = self.block[start : start + min(n, len(self.block) // 2)]
            yield part
            n -= len(part)


def tensors(c: dict, random: Random) -> Iterator[tuple[str, str, list[int], Iterator[bytes]]]:
    t = c["text_config"]
    hidden, experts, inner = t["hidden_size"], t["num_experts"], t["moe_intermediate_size"]
    key = t["linear_num_key_heads"] * 128
    value = t["linear_num_value_heads"] * 128
    query = t["num_attention_heads"] * t["head_dim"]
    kv = t["num_key_value_heads"] * t["head_dim"]

    def affine(name: str, shape: list[int], bits: int = 4) -> Iterator[tuple[str, str, list[int], Iterator[bytes]]]:
        *lead, cols = shape
        rows = int(np.prod(lead))
        yield f"{name}.weight", "U32", [*lead, cols * bits // 32], random.bytes(rows * cols * bits // 8)
        # q is uniform on 0 … 2^bits - 1: centred by the bias, scaled to a variance of 1 / cols.
        top = 2**bits - 1
        scale = np.sqrt(12.0 / ((top + 1) ** 2 - 1) / cols) * (0.9 + 0.2 * random.rng.random((64, cols // GROUP)))
        for suffix, values in ((".scales", scale), (".biases", -scale * top / 2)):
            row = bf16(values)
            whole, rest = divmod(rows, 64)
            parts = [row] * whole + [row[: rest * len(row) // 64]]
            yield name + suffix, "BF16", [*lead, cols // GROUP], iter(parts)

    def vector(name: str, values: np.ndarray) -> tuple[str, str, list[int], Iterator[bytes]]:
        return name, "BF16", list(values.shape), iter([bf16(values)])

    yield from affine("language_model.model.embed_tokens", [VOCAB, hidden])
    yield from affine("language_model.lm_head", [VOCAB, hidden])
    yield vector("language_model.model.norm.weight", np.ones(hidden))
    for i, kind in enumerate(t["layer_types"]):
        layer = f"language_model.model.layers.{i}"
        yield vector(f"{layer}.input_layernorm.weight", np.ones(hidden))
        yield vector(f"{layer}.post_attention_layernorm.weight", np.ones(hidden))
        if kind == "full_attention":
            for name, shape in (("q", [2 * query, hidden]), ("k", [kv, hidden]), ("v", [kv, hidden]),
                                ("o", [hidden, query])):  # fmt: skip
                yield from affine(f"{layer}.self_attn.{name}_proj", shape)
            for name in ("q", "k"):
                yield vector(f"{layer}.self_attn.{name}_norm.weight", np.ones(t["head_dim"]))
        else:
            heads = t["linear_num_value_heads"]
            for name, shape in (("in_proj_qkv", [2 * key + value, hidden]), ("in_proj_z", [value, hidden]),
                                ("in_proj_b", [heads, hidden]), ("in_proj_a", [heads, hidden]),
                                ("out_proj", [hidden, value])):  # fmt: skip
                yield from affine(f"{layer}.linear_attn.{name}", shape)
            yield vector(f"{layer}.linear_attn.conv1d.weight", random.rng.normal(0, 0.4, (2 * key + value, 4, 1)))
            yield vector(f"{layer}.linear_attn.A_log", np.log(random.rng.uniform(0.1, 15, heads)))
            yield vector(f"{layer}.linear_attn.dt_bias", random.rng.normal(-2, 0.5, heads))
            yield vector(f"{layer}.linear_attn.norm.weight", np.ones(128))
        yield from affine(f"{layer}.mlp.gate", [experts, hidden], 8)
        yield from affine(f"{layer}.mlp.shared_expert_gate", [1, hidden], 8)
        for name, shape in (("gate", [inner, hidden]), ("up", [inner, hidden]), ("down", [hidden, inner])):
            yield from affine(f"{layer}.mlp.shared_expert.{name}_proj", shape)
            yield from affine(f"{layer}.mlp.switch_mlp.{name}_proj", [experts, *shape])


WIDTH = {"U32": 4, "BF16": 2}


def write(out: Path, shape: str, layers: int | None, seed: int = 0) -> Path:
    """One folder with config.json and model.safetensors. Returns the folder."""
    c = config(shape, layers)
    out.mkdir(parents=True, exist_ok=True)
    header: dict = {}
    at = 0
    for name, dtype, dims, _ in tensors(c, Random(seed)):
        size = int(np.prod(dims)) * WIDTH[dtype]
        header[name] = {"dtype": dtype, "shape": dims, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % 4096)
    part = out / "model.safetensors.partial"
    with part.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, _, data in tensors(c, Random(seed)):
            for piece in data:
                file.write(piece)
    assert part.stat().st_size == 8 + len(text) + at
    (out / "config.json").write_text(json.dumps(c, indent=1))
    part.rename(out / "model.safetensors")
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--shape", choices=SHAPES, default="35b")
    parser.add_argument("--layers", type=int, help="fewer layers than the model has")
    parser.add_argument("--seed", type=int, default=0)
    o = parser.parse_args()
    folder = write(o.out, o.shape, o.layers, o.seed)
    print(f"{folder}: {(folder / 'model.safetensors').stat().st_size / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
