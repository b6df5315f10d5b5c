"""The same checkpoint as GGUF, for llama.cpp: the same weights, shape and bits.

    python -m bench.llama_file MODEL OUT.gguf

Every 4-bit matrix becomes Q4_0 with the same numbers: a group of 64 with bias -8 scale is two blocks of 32 with that
scale, 4.5 bits a weight in both. Other widths have no such twin and are refused. Routers (8 bits in MLX) become F32,
which is how llama.cpp keeps them; norms, convolution and decay likewise. Value heads of Gated DeltaNet are stored in
the order that llama.cpp wants: by number within their key head first. Only for checkpoints made by bench.models.
"""

from __future__ import annotations

import argparse
import json
import struct
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flashmoe import doctor

from . import models
from .progress import Steps

Array = npt.NDArray[Any]
Order = npt.NDArray[np.int64]


class Source:
    """The tensors of a checkpoint, by name."""

    def __init__(self, folder: Path) -> None:
        shape = models.made(folder)[0]
        if shape.bits != 4:
            raise ValueError(f"{folder} has {shape.bits} bits a weight; only 4 bits have the same numbers in GGUF")
        self.config = json.loads((folder / "config.json").read_text())["text_config"]
        self._places: dict[str, tuple[Path, int, str, list[int]]] = {}
        files = sorted(set(json.loads((folder / models.INDEX).read_text())["weight_map"].values()))
        for name in files:
            with (folder / name).open("rb") as file:
                (length,) = struct.unpack("<Q", file.read(8))
                header = json.loads(file.read(length))
            for key, entry in header.items():
                place = 8 + length + entry["data_offsets"][0]
                self._places[key] = (folder / name, place, entry["dtype"], entry["shape"])

    def __call__(self, name: str) -> Array:
        """As stored: uint32, or bf16 widened to float32."""
        path, offset, dtype, shape = self._places[name]
        stored = np.dtype({"U32": "<u4", "BF16": "<u2"}[dtype])
        values = np.fromfile(path, stored, int(np.prod(shape)), offset=offset).reshape(shape)
        return (values.astype(np.uint32) << 16).view(np.float32) if dtype == "BF16" else values

    def shape(self, name: str) -> list[int]:
        return self._places[name][3]


def q4_0(source: Source, name: str, rows: Order | None = None, heads: Order | None = None, each: int = 0) -> Array:
    """A matrix as rows of Q4_0 blocks, uint8 [.., rows, cols / 32 * 18]. rows: their new order; heads: that of groups
    of `each` columns."""
    weight, scale = source(f"{name}.weight"), source(f"{name}.scales")
    lead, cols = weight.shape[:-1], weight.shape[-1] * 8
    codes = weight.view(np.uint8).reshape(-1, cols // 32, 16)
    group = cols // scale.shape[-1]
    scales = np.repeat(scale.reshape(-1, cols // group), group // 32, axis=1).astype("<f2")
    if rows is not None:
        codes, scales = codes[rows], scales[rows]
    if heads is not None:
        blocks = (heads[:, None] * (each // 32) + np.arange(each // 32)).reshape(-1)
        codes, scales = codes[:, blocks], scales[:, blocks]
    out = np.empty((*codes.shape[:2], 18), np.uint8)
    out[..., :2] = np.ascontiguousarray(scales).view(np.uint8).reshape(*codes.shape[:2], 2)
    # MLX: byte i holds elements 2i and 2i + 1. Q4_0: byte i holds elements i and i + 16.
    front, back = codes[..., :8], codes[..., 8:]
    out[..., 2::2] = front & 0x0F | back << 4
    out[..., 3::2] = front >> 4 | back & 0xF0
    return out.reshape(*lead, -1)


def q8_as_float(source: Source, name: str) -> Array:
    """An 8-bit matrix as float32 [rows, cols]."""
    weight, scale, bias = (source(f"{name}.{part}") for part in ("weight", "scales", "biases"))
    codes = weight.view(np.uint8).reshape(weight.shape[0], -1, 64)
    return (codes * scale[..., None] + bias[..., None]).astype(np.float32).reshape(weight.shape[0], -1)


Make = Callable[[], Array]


def tensors(source: Source) -> Iterator[tuple[str, list[int], str, Make]]:
    """(name, shape, type, maker) in file order; type "q4_0" or "f32"."""
    c = source.config
    heads, keys, dim = c["linear_num_value_heads"], c["linear_num_key_heads"], c["linear_value_head_dim"]
    # Value head h belongs to key head h // (heads / keys); llama.cpp counts the other way round.
    order = np.arange(heads).reshape(keys, heads // keys).T.reshape(-1)
    key = keys * c["linear_key_head_dim"]
    wide = (order[:, None] * dim + np.arange(dim)).reshape(-1)
    channels = np.concatenate([np.arange(2 * key), 2 * key + wide])

    def matrix(name: str, theirs: str, **how: Any) -> tuple[str, list[int], str, Make]:
        *lead, packed = source.shape(f"{name}.weight")
        return f"{theirs}.weight", [*lead, packed * 8], "q4_0", lambda: q4_0(source, name, **how)

    def floats(theirs: str, shape: list[int], make: Make) -> tuple[str, list[int], str, Make]:
        return theirs, shape, "f32", lambda: np.ascontiguousarray(make().reshape(shape), np.float32)

    root = "language_model.model"
    yield matrix(f"{root}.embed_tokens", "token_embd")
    yield matrix("language_model.lm_head", "output")
    yield floats("output_norm.weight", [c["hidden_size"]], lambda: source(f"{root}.norm.weight"))
    for i, kind in enumerate(c["layer_types"]):
        ours, blk = f"{root}.layers.{i}", f"blk.{i}"

        def plain(part: str, theirs: str, ours: str = ours, blk: str = blk) -> tuple[str, list[int], str, Make]:
            name = f"{ours}.{part}"
            return floats(f"{blk}.{theirs}", source.shape(name), lambda: source(name))

        yield plain("input_layernorm.weight", "attn_norm.weight")
        yield plain("post_attention_layernorm.weight", "post_attention_norm.weight")
        if kind == "full_attention":
            for part, theirs in (("q", "attn_q"), ("k", "attn_k"), ("v", "attn_v"), ("o", "attn_output")):
                yield matrix(f"{ours}.self_attn.{part}_proj", f"{blk}.{theirs}")
            yield plain("self_attn.q_norm.weight", "attn_q_norm.weight")
            yield plain("self_attn.k_norm.weight", "attn_k_norm.weight")
        else:
            linear = f"{ours}.linear_attn"
            yield matrix(f"{linear}.in_proj_qkv", f"{blk}.attn_qkv", rows=channels)
            yield matrix(f"{linear}.in_proj_z", f"{blk}.attn_gate", rows=wide)
            yield matrix(f"{linear}.in_proj_b", f"{blk}.ssm_beta", rows=order)
            yield matrix(f"{linear}.in_proj_a", f"{blk}.ssm_alpha", rows=order)
            yield matrix(f"{linear}.out_proj", f"{blk}.ssm_out", heads=order, each=dim)
            conv = [len(channels), c["linear_conv_kernel_dim"]]
            yield floats(f"{blk}.ssm_conv1d.weight", conv, lambda n=linear: source(f"{n}.conv1d.weight")[channels])
            yield floats(f"{blk}.ssm_a", [heads], lambda n=linear: -np.exp(source(f"{n}.A_log"))[order])
            yield floats(f"{blk}.ssm_dt.bias", [heads], lambda n=linear: source(f"{n}.dt_bias")[order])
            yield plain("linear_attn.norm.weight", "ssm_norm.weight")
        gate = [c["num_experts"], c["hidden_size"]]
        yield floats(f"{blk}.ffn_gate_inp.weight", gate, lambda n=ours: q8_as_float(source, f"{n}.mlp.gate"))
        yield floats(f"{blk}.ffn_gate_inp_shexp.weight", gate[1:],
                     lambda n=ours: q8_as_float(source, f"{n}.mlp.shared_expert_gate"))  # fmt: skip
        for part in ("gate", "up", "down"):
            yield matrix(f"{ours}.mlp.shared_expert.{part}_proj", f"{blk}.ffn_{part}_shexp")
            yield matrix(f"{ours}.mlp.switch_mlp.{part}_proj", f"{blk}.ffn_{part}_exps")


def write(model: Path, out: Path) -> Path:
    """The GGUF file of a checkpoint."""
    import gguf

    source = Source(model)
    c = source.config
    part = out.with_suffix(".partial")
    w = gguf.GGUFWriter(part, "qwen35moe")
    rotary = int(c["head_dim"] * c["rope_parameters"]["partial_rotary_factor"])
    w.add_block_count(c["num_hidden_layers"])
    w.add_context_length(c["max_position_embeddings"])
    w.add_embedding_length(c["hidden_size"])
    w.add_head_count(c["num_attention_heads"])
    w.add_head_count_kv(c["num_key_value_heads"])
    w.add_key_length(c["head_dim"])
    w.add_value_length(c["head_dim"])
    w.add_layer_norm_rms_eps(c["rms_norm_eps"])
    w.add_rope_dimension_count(rotary)
    w.add_rope_dimension_sections([11, 11, 10, 0])
    w.add_rope_freq_base(c["rope_parameters"]["rope_theta"])
    w.add_expert_count(c["num_experts"])
    w.add_expert_used_count(c["num_experts_per_tok"])
    w.add_expert_feed_forward_length(c["moe_intermediate_size"])
    w.add_expert_shared_feed_forward_length(c["shared_expert_intermediate_size"])
    w.add_ssm_conv_kernel(c["linear_conv_kernel_dim"])
    w.add_ssm_state_size(c["linear_key_head_dim"])
    w.add_ssm_group_count(c["linear_num_key_heads"])
    w.add_ssm_time_step_rank(c["linear_num_value_heads"])
    w.add_ssm_inner_size(c["linear_num_value_heads"] * c["linear_value_head_dim"])
    w.add_full_attention_interval(c["full_attention_interval"])
    w.add_tokenizer_model("none")
    w.add_vocab_size(c["vocab_size"])
    made = list(tensors(source))
    for name, shape, kind, _ in made:
        size = int(np.prod(shape))
        if kind == "q4_0":
            raw = [*shape[:-1], shape[-1] // 32 * 18]
            w.add_tensor_info(name, raw, np.dtype(np.uint8), size // 32 * 18, gguf.GGMLQuantizationType.Q4_0)
        else:
            w.add_tensor_info(name, shape, np.dtype(np.float32), size * 4)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_ti_data_to_file()
    with Steps(f"writing {out.name}", len(made)) as steps, ThreadPoolExecutor(doctor.cores()) as pool:
        coming: deque[Future[Array]] = deque()
        rest = iter(made)
        for name, *_ in made:
            coming.extend(pool.submit(make) for *_, make in islice(rest, doctor.cores() + 1 - len(coming)))
            w.write_tensor_data(coming.popleft().result())
            steps.step(name)
    w.close()
    part.rename(out)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    o = parser.parse_args()
    print(f"{write(o.model, o.out)}: {o.out.stat().st_size / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
