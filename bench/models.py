"""Checkpoints of true shape with random weights, in the MLX 4-bit layout, for measuring.

    python -m bench.models OUT --shape 35b,layers=8
    python -m bench.models OUT --view MODEL --layers 4      the first layers of a checkpoint made before, as links

Well-behaved: every product keeps the size of its input, so activations stay finite at any depth, and no weight matrix
has a direction that it amplifies (codes are symmetric about 8, the bias is -8 scale). That also makes the weights the
same numbers in GGUF's Q4_0 (llama_file.py).

Routing is decided by the token alone, so that every engine routes alike whatever its rounding: the first 64 hidden
dimensions hold a code of the token, routers read nothing else, and no layer writes there (those rows are zero). Tokens
of the lower half of the vocabulary have a topic (their number modulo 512): a code is a part common to all, a part of
the topic and a part of its own, so a stream that keeps to a topic for a few tokens (streams.py) repeats about a third
of its experts from token to token. Codes of the upper half are their own alone: uniform routing.

One file for each layer. Only sizes, routing and speed mean anything; the answers do not.
"""

from __future__ import annotations

import argparse
import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .progress import Steps
from .shapes import CODE, GROUP, Shape, parse

TOPICS = 512
COMMON, TOPIC = 0.2, 0.55  # shares of a code's variance; the rest is the token's own
CODE_SIZE = 4.0  # standard deviation of a code beside 1 of the other dimensions
PATTERN = 64  # rows of scales that repeat through a matrix

Tensor = tuple[str, str, list[int], Iterator[bytes]]
Write = Callable[[], Iterator[Tensor]]
WIDTH = {"U32": 4, "BF16": 2}


def bf16(values: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    """Cut off, not rounded: what is stored is a number of its own."""
    return (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)


class Random:
    """Random codes from one block of them, at a fresh place each time: as good as new for measuring, and fast."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        raw = np.frombuffer(self.rng.bytes(1 << 26), np.uint8).copy()
        raw[raw & 0x0F == 0] |= 0x08  # 0 becomes 8: codes from 1 to 15, 8 in the mean
        raw[raw & 0xF0 == 0] |= 0x80
        self.block = raw.tobytes()

    def codes(self, n: int) -> Iterator[bytes]:
        """n bytes, two codes in each."""
        half = len(self.block) // 2
        while n > 0:
            start = int(self.rng.integers(0, half))
            part = self.block[start : start + min(n, half)]
            yield part
            n -= len(part)


def routing_codes(vocab: int, seed: int) -> npt.NDArray[np.uint8]:
    """4-bit codes 1 … 15 of every token's first dimensions, [vocab, CODE]."""
    rng = np.random.default_rng(seed + 1)
    values = rng.standard_normal((vocab, CODE), np.float32)
    half = vocab // 2
    topics = rng.standard_normal((TOPICS, CODE), np.float32)[np.arange(half) % TOPICS]
    common = rng.standard_normal(CODE, np.float32)
    own = 1 - COMMON - TOPIC
    values[:half] = COMMON**0.5 * common + TOPIC**0.5 * topics + own**0.5 * values[:half]
    return np.clip(np.rint(values * (7 / 3)) + 8, 1, 15).astype(np.uint8)


def affine(name: str, shape: list[int], random: Random, silent: int = 0) -> Iterator[Tensor]:
    """4-bit matrices [.., rows, cols] whose products have the size of their input; the first `silent` rows of each are
    zero."""
    *lead, rows, cols = shape
    matrices = int(np.prod(lead)) if lead else 1
    spread = 18.6**0.5  # standard deviation of a code
    scales = 1 / spread / cols**0.5 * (0.9 + 0.2 * random.rng.random((PATTERN, cols // GROUP)))
    yield f"{name}.weight", "U32", [*shape[:-1], cols // 8], random.codes(matrices * rows * cols // 2)
    for suffix, factor in ((".scales", 1), (".biases", -8)):
        # -8 of what is stored, so that both hold exactly.
        stored = (bf16(scales).astype(np.uint32) << 16).view(np.float32) * factor
        pattern = bf16(stored).tobytes()
        row = len(pattern) // PATTERN
        loud = (rows - silent) * row
        matrix = bytes(silent * row) + (pattern * (loud // len(pattern) + 1))[:loud]
        yield name + suffix, "BF16", [*shape[:-1], cols // GROUP], iter([matrix] * matrices)


def router(name: str, rows: int, cols: int, random: Random) -> Iterator[Tensor]:
    """An 8-bit matrix [rows, cols] that reads the first CODE columns only."""
    codes = random.rng.integers(1, 256, (rows, cols)).astype(np.uint8)
    scale = np.zeros((rows, cols // GROUP), np.float32)
    scale[:, : CODE // GROUP] = 1 / 73.6 / CODE**0.5
    stored = (bf16(scale).astype(np.uint32) << 16).view(np.float32)
    yield f"{name}.weight", "U32", [rows, cols // 4], iter([codes.tobytes()])
    yield f"{name}.scales", "BF16", [rows, cols // GROUP], iter([bf16(stored).tobytes()])
    yield f"{name}.biases", "BF16", [rows, cols // GROUP], iter([bf16(-128 * stored).tobytes()])


def vector(name: str, values: npt.NDArray[Any]) -> Tensor:
    return name, "BF16", list(values.shape), iter([bf16(values).tobytes()])


def embedding(shape: Shape, random: Random, seed: int) -> Iterator[Tensor]:
    """Rows of size 1, with the token's code in front."""
    codes = routing_codes(shape.vocab, seed)
    packed = codes[:, 0::2] | codes[:, 1::2] << 4

    def rows() -> Iterator[bytes]:
        for start in range(0, shape.vocab, 4096):
            n = min(4096, shape.vocab - start)
            block = np.frombuffer(b"".join(random.codes(n * shape.hidden // 2)), np.uint8).reshape(n, -1).copy()
            block[:, : CODE // 2] = packed[start : start + n]
            yield block.tobytes()

    scale = np.full(shape.hidden // GROUP, 18.6**-0.5, np.float32)
    scale[: CODE // GROUP] = CODE_SIZE * 3 / 7
    stored = (bf16(scale).astype(np.uint32) << 16).view(np.float32)
    name = "language_model.model.embed_tokens"
    groups = [shape.vocab, shape.hidden // GROUP]
    yield f"{name}.weight", "U32", [shape.vocab, shape.hidden // 8], rows()
    yield f"{name}.scales", "BF16", groups, iter([bf16(stored).tobytes() * shape.vocab])
    yield f"{name}.biases", "BF16", groups, iter([bf16(-8 * stored).tobytes() * shape.vocab])


def ends(shape: Shape, seed: int) -> Iterator[Tensor]:
    """Embedding, head and last norm."""
    random = Random(seed)
    yield from embedding(shape, random, seed)
    yield from affine("language_model.lm_head", [shape.vocab, shape.hidden], random)
    yield vector("language_model.model.norm.weight", np.ones(shape.hidden))


def layer(shape: Shape, i: int, seed: int) -> Iterator[Tensor]:
    random = Random(seed + 100 + i)
    name, hidden, inner = f"language_model.model.layers.{i}", shape.hidden, shape.inner
    yield vector(f"{name}.input_layernorm.weight", np.ones(hidden))
    yield vector(f"{name}.post_attention_layernorm.weight", np.ones(hidden))
    if shape.full_attention[i]:
        query, kv = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
        for part, rows in (("q", 2 * query), ("k", kv), ("v", kv)):
            yield from affine(f"{name}.self_attn.{part}_proj", [rows, hidden], random)
        yield from affine(f"{name}.self_attn.o_proj", [hidden, query], random, silent=CODE)
        for part in ("q", "k"):
            yield vector(f"{name}.self_attn.{part}_norm.weight", np.ones(shape.head_dim))
    else:
        key, value = shape.key_heads * shape.linear_dim, shape.value_heads * shape.linear_dim
        heads, channels = shape.value_heads, 2 * key + value
        for part, rows in (("qkv", channels), ("z", value), ("b", heads), ("a", heads)):
            yield from affine(f"{name}.linear_attn.in_proj_{part}", [rows, hidden], random)
        yield from affine(f"{name}.linear_attn.out_proj", [hidden, value], random, silent=CODE)
        yield vector(f"{name}.linear_attn.conv1d.weight", random.rng.normal(0, 0.4, (channels, 4, 1)))
        yield vector(f"{name}.linear_attn.A_log", np.log(random.rng.uniform(0.1, 15, heads)))
        yield vector(f"{name}.linear_attn.dt_bias", random.rng.normal(-2, 0.5, heads))
        yield vector(f"{name}.linear_attn.norm.weight", np.ones(shape.linear_dim))
    yield from router(f"{name}.mlp.gate", shape.experts, hidden, random)
    yield from router(f"{name}.mlp.shared_expert_gate", 1, hidden, random)
    for lead, part in (([], "shared_expert"), ([shape.experts], "switch_mlp")):
        yield from affine(f"{name}.mlp.{part}.gate_proj", [*lead, inner, hidden], random)
        yield from affine(f"{name}.mlp.{part}.up_proj", [*lead, inner, hidden], random)
        yield from affine(f"{name}.mlp.{part}.down_proj", [*lead, hidden, inner], random, silent=CODE)


def shard(i: int) -> str:
    """The file of layer i; -1 for embedding and head."""
    return "ends.safetensors" if i < 0 else f"layer-{i:03d}.safetensors"


def write_shard(path: Path, make: Write) -> list[str]:
    """A safetensors file; the names in it. One that is there is left."""
    header: dict[str, Any] = {}
    at = 0
    for name, dtype, dims, _ in make():
        size = int(np.prod(dims)) * WIDTH[dtype]
        header[name] = {"dtype": dtype, "shape": dims, "data_offsets": [at, at + size]}
        at += size
    if path.exists():
        return list(header)
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % 4096)
    part = path.with_suffix(".partial")
    with part.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, _, data in make():
            for piece in data:
                file.write(piece)
    assert part.stat().st_size == 8 + len(text) + at, path
    part.rename(path)
    return list(header)


def write(out: Path, shape: Shape, seed: int = 0) -> Path:
    """A checkpoint's folder. A folder that was begun is completed."""
    out.mkdir(parents=True, exist_ok=True)
    files: dict[str, str] = {}
    with Steps(f"writing {out.name}", shape.layers + 1) as steps:
        for i in range(-1, shape.layers):
            make: Write = (lambda: ends(shape, seed)) if i < 0 else (lambda i=i: layer(shape, i, seed))  # type: ignore
            files |= dict.fromkeys(write_shard(out / shard(i), make), shard(i))
            steps.step(shard(i))
    (out / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": files}))
    (out / "config.json").write_text(json.dumps(shape.config(), indent=1))
    return out


def view(out: Path, model: Path, layers: int) -> Path:
    """The first layers of a checkpoint, as a folder of links: no second copy on disk."""
    if not (model / shard(layers - 1)).exists():
        raise ValueError(f"{model} has not a file for each layer, as bench.models writes them")
    config = json.loads((model / "config.json").read_text())
    text = config["text_config"]
    text["layer_types"] = text["layer_types"][:layers]
    text["num_hidden_layers"] = layers
    keep = {shard(i) for i in range(-1, layers)}
    index = json.loads((model / "model.safetensors.index.json").read_text())["weight_map"]
    index = {name: file for name, file in index.items() if file in keep}
    within = tuple(f"language_model.model.layers.{i}." for i in range(layers))
    config["quantization"] = {
        k: v for k, v in config["quantization"].items() if not k.startswith("language_model.") or k.startswith(within)
    }
    out.mkdir(parents=True, exist_ok=True)
    for file in keep:
        if not (out / file).exists():
            (out / file).symlink_to((model / file).resolve())
    (out / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    (out / "config.json").write_text(json.dumps(config, indent=1))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--shape", type=parse, default="35b", help="such as 35b or 122b,layers=4 (default 35b)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--view", type=Path, metavar="MODEL", help="link to the first layers of this one")
    parser.add_argument("--layers", type=int, help="of the view")
    o = parser.parse_args()
    if o.view:
        if not o.layers:
            parser.error("--view needs --layers")
        view(o.out, o.view, o.layers)
    else:
        write(o.out, o.shape, o.seed)
    size = sum(path.stat().st_size for path in o.out.glob("*.safetensors"))
    print(f"{o.out}: {size / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
