"""Makes the parity fixtures in tests/fixtures/models: tiny random checkpoints of unusual shapes, each with
what the library that owns its format computes for it.

    python -m venv /tmp/venv-fixtures
    /tmp/venv-fixtures/bin/pip install torch==2.13.0 transformers==5.23.0 "mlx[cpu]==0.32.4" mlx-lm==0.32.2
    /tmp/venv-fixtures/bin/python tools/make_fixtures.py [NAME ...]

Hugging Face checkpoints are written by transformers' save_pretrained and computed by transformers, eager
attention, in float32 from the stored weights. MLX checkpoints are written by mlx-lm's own conversion and
computed by mlx-lm in float32. For each, NAME.npz holds:

    ids      int32 [40]            random tokens
    logits   float32 [40, vocab]   after each of them
    greedy   int32 [12]            the greedy continuation
    experts  int16 [layers, 40, k] chosen experts by falling probability

mlx_quantize.npz holds what mx.quantize makes of a few rows. Random models are chaotic where two experts are
nearly as good, so seeds are tried until the router logits of the k-th and the next expert are at least 0.002
apart everywhere, and the two best logits of the continuation at least 0.005.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx_lm.utils as mlx_utils
import numpy as np
import torch
import transformers
from mlx.utils import tree_map
from mlx_lm.models.qwen3_next import Qwen3NextSparseMoeBlock
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers.models.qwen3_5_moe import modeling_qwen3_5_moe as modeling

OUT = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "models"
TOKENS, CONTINUATION = 40, 12
MIN_ROUTER_GAP, MIN_LOGIT_GAP = 0.002, 0.005
SPECIAL = ["<|endoftext|>", "<|im_end|>", "<|im_start|>"]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
FULL, LINEAR = "full_attention", "linear_attention"


def shape(layers: str, **sizes: Any) -> dict[str, Any]:
    """Keywords of Qwen3_5MoeTextConfig. layers: one letter each, F(ull) or L(inear). sizes: short names as
    below."""
    s = {"theta": 1e7, "rotary": 0.25, "tied": False, "eps": 1e-6} | sizes
    return {
        "layer_types": [FULL if kind == "F" else LINEAR for kind in layers],
        "num_hidden_layers": len(layers),
        "vocab_size": s["vocab"],
        "hidden_size": s["hidden"],
        "num_attention_heads": s["heads"],
        "num_key_value_heads": s["kv"],
        "head_dim": s["head_dim"],
        "linear_num_key_heads": s["hk"],
        "linear_num_value_heads": s["hv"],
        "linear_key_head_dim": s["dk"],
        "linear_value_head_dim": s["dv"],
        "linear_conv_kernel_dim": s["conv"],
        "num_experts": s["experts"],
        "num_experts_per_tok": s["k"],
        "moe_intermediate_size": s["inner"],
        "shared_expert_intermediate_size": s["shared"],
        "rms_norm_eps": s["eps"],
        "tie_word_embeddings": s["tied"],
        "max_position_embeddings": 4096,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": s["theta"],
            "partial_rotary_factor": s["rotary"],
            "mrope_interleaved": True,
            "mrope_section": [1, 1, 1],
        },
    }


@dataclass(frozen=True)
class HuggingFace:
    """A checkpoint as save_pretrained writes it. shard: bytes a shard may have; composite: with a vision
    tower."""

    shape: dict[str, Any]
    dtype: torch.dtype
    fused: bool = False
    composite: bool = False
    shard: str = "1GB"
    tokenizer: bool = False


@dataclass(frozen=True)
class Mlx:
    """A checkpoint as mlx-lm writes it. interval: every interval-th layer is full attention. bits 0: not
    quantised. widths: pieces of a module's name -> (bits, group) or None for not quantised, the first that
    fits."""

    shape: dict[str, Any]
    bits: int = 0
    group: int = 64
    interval: int = 4
    dtype: torch.dtype = torch.bfloat16
    widths: dict[str, tuple[int, int] | None] = field(default_factory=dict)
    tokenizer: bool = False


WIDE = {
    "vocab": 150,
    "hidden": 128,
    "heads": 2,
    "kv": 1,
    "head_dim": 64,
    "hk": 1,
    "hv": 2,
    "dk": 32,
    "dv": 64,
}

FIXTURES: dict[str, HuggingFace | Mlx] = {
    # unequal key and value heads, one kv head, odd vocabulary, starts with full attention
    "hf-composite-sharded-bf16": HuggingFace(
        shape("FLFL", vocab=333, hidden=48, heads=4, kv=1, head_dim=32, hk=2, hv=4, dk=16, dv=24, conv=3,
              experts=4, k=3, inner=16, shared=20),
        torch.bfloat16, composite=True, shard="100KB", tokenizer=True,
    ),
    # kv heads equal heads, half rotary, many experts a token, dk > dv, widest convolution
    "hf-text-fused-f32": HuggingFace(
        shape("LLF", vocab=97, hidden=40, heads=2, kv=2, head_dim=64, hk=1, hv=3, dk=24, dv=8, conv=5,
              experts=12, k=8, inner=8, shared=12, rotary=0.5, theta=1e4),
        torch.float32, fused=True,
    ),
    # tied head, full rotary, odd head count, every expert chosen
    "hf-tied-fused-f16": HuggingFace(
        shape("LFF", vocab=128, hidden=56, heads=3, kv=3, head_dim=32, hk=4, hv=4, dk=8, dv=8, conv=4,
              experts=5, k=5, inner=12, shared=32, rotary=1.0, eps=1e-5, tied=True),
        torch.float16, fused=True,
    ),
    # head_dim 96, one expert a token, shortest convolution, ends with linear attention
    "hf-text-perexpert-bf16": HuggingFace(
        shape("LLLFL", vocab=191, hidden=48, heads=2, kv=1, head_dim=96, hk=3, hv=6, dk=8, dv=12, conv=2,
              experts=4, k=1, inner=16, shared=8),
        torch.bfloat16,
    ),
    "hf-all-full-bf16": HuggingFace(
        shape("FF", vocab=77, hidden=32, heads=6, kv=2, head_dim=16, hk=1, hv=1, dk=8, dv=8, conv=4,
              experts=7, k=2, inner=24, shared=16, rotary=0.5),
        torch.bfloat16,
    ),
    "hf-all-linear-f32": HuggingFace(
        shape("LL", vocab=64, hidden=24, heads=1, kv=1, head_dim=32, hk=2, hv=6, dk=12, dv=20, conv=4,
              experts=9, k=4, inner=10, shared=6),
        torch.float32, shard="50KB",
    ),
    # what mlx_lm.convert writes by default: router and shared_expert_gate at 8 bits
    "mlx-4bit-g64": Mlx(
        shape("LLLF", vocab=333, hidden=64, heads=2, kv=1, head_dim=64, hk=2, hv=4, dk=16, dv=16, conv=4,
              experts=6, k=2, inner=64, shared=64),
        bits=4, tokenizer=True,
    ),
    "mlx-mixed": Mlx(
        shape("LF", **WIDE, conv=4, experts=4, k=2, inner=128, shared=64),
        bits=4, interval=2,
        widths={
            "switch_mlp.down_proj": (3, 32), "switch_mlp.up_proj": (2, 64), "switch_mlp": (2, 128),
            "mlp.gate": (8, 64), "shared_expert_gate": None, "shared_expert.down": (8, 32), "lm_head": (6, 128),
            "embed_tokens": (5, 64), "q_proj": (5, 32), "in_proj_a": None, "in_proj_qkv": (3, 128),
        },
    ),
    "mlx-3bit-g128": Mlx(
        shape("LF", **WIDE, conv=3, experts=3, k=2, inner=128, shared=64, rotary=0.5), bits=3, group=128, interval=2,
        widths={"mlp.gate": (8, 64)},
    ),
    "mlx-5bit-g32-f16-tied": Mlx(
        shape("LLF", vocab=101, hidden=64, heads=4, kv=4, head_dim=32, hk=1, hv=2, dk=32, dv=16, conv=4,
              experts=6, k=4, inner=32, shared=96, tied=True),
        bits=5, group=32, interval=3, dtype=torch.float16, widths={"": (5, 32)},
    ),
    "mlx-6bit-g64-f32": Mlx(
        shape("LFL", vocab=90, hidden=64, heads=2, kv=1, head_dim=96, hk=2, hv=2, dk=24, dv=32, conv=2,
              experts=4, k=1, inner=64, shared=64, rotary=1.0),
        bits=6, interval=2, dtype=torch.float32,
    ),
    # out_proj stays a float: its 48 columns do not divide into groups
    "mlx-8bit-g32": Mlx(
        shape("LLFL", vocab=83, hidden=64, heads=2, kv=2, head_dim=32, hk=3, hv=3, dk=16, dv=16, conv=4,
              experts=5, k=3, inner=32, shared=32),
        bits=8, group=32, interval=3, widths={"": (8, 32)},
    ),
    "mlx-2bit-g32": Mlx(
        shape("LF", vocab=120, hidden=96, heads=3, kv=1, head_dim=32, hk=2, hv=4, dk=32, dv=24, conv=4,
              experts=10, k=5, inner=32, shared=64),
        bits=2, group=32, interval=2, widths={"mlp.gate": (8, 32), "": (2, 32)},
    ),
    "mlx-float-bf16": Mlx(
        shape("LF", vocab=75, hidden=40, heads=2, kv=1, head_dim=40, hk=2, hv=4, dk=8, dv=12, conv=3,
              experts=6, k=2, inner=16, shared=24, rotary=0.5),
        interval=2,
    ),
}  # fmt: skip


class Unlucky(Exception):
    """This seed gives a near tie."""


# ---- weights
# ------------------------------------------------------------------------------------------------------


def enliven(model: torch.nn.Module, seed: int) -> None:
    """Random weights that make every part matter: uneven norms, decided routers, decays from short to
    long."""
    generator = torch.Generator().manual_seed(seed)

    def normal(p: torch.Tensor) -> torch.Tensor:
        return torch.randn(p.shape, generator=generator)

    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith("linear_attn.norm.weight"):
                value = 1 + 0.2 * normal(p)
            elif name.endswith("norm.weight"):
                value = 0.2 * normal(p)
            elif name.endswith("mlp.gate.weight"):
                value = normal(p) * 2 / p.shape[-1] ** 0.5
            elif name.endswith("conv1d.weight"):
                value = normal(p) * 0.4
            elif name.endswith("A_log"):
                value = torch.log(torch.rand(p.shape, generator=generator) * 14.9 + 0.1)
            elif name.endswith("dt_bias"):
                value = normal(p) / 2 - 2
            elif (
                name.endswith("embed_tokens.weight")
                and not model.config.get_text_config().tie_word_embeddings
            ):
                value = normal(p)
            else:
                value = normal(p) / max(p.shape[-1], 1) ** 0.5
            p.copy_(value)


# ---- Hugging Face
# -------------------------------------------------------------------------------------------------


def write_huggingface(recipe: HuggingFace, seed: int, folder: Path) -> None:
    if recipe.composite:
        vision = {"depth": 1, "hidden_size": 8, "intermediate_size": 8, "num_heads": 1, "patch_size": 2,
                  "out_hidden_size": recipe.shape["hidden_size"], "num_position_embeddings": 4}  # fmt: skip
        config = transformers.Qwen3_5MoeConfig(text_config=recipe.shape, vision_config=vision)
        model: Any = modeling.Qwen3_5MoeForConditionalGeneration(config)
    else:
        model = modeling.Qwen3_5MoeForCausalLM(transformers.Qwen3_5MoeTextConfig(**recipe.shape))
    model.tie_weights()
    enliven(model, seed)
    model = model.to(recipe.dtype)
    model.save_pretrained(folder, save_original_format=not recipe.fused, max_shard_size=recipe.shard)


def compute_huggingface(recipe: HuggingFace, folder: Path, ids: np.ndarray) -> dict[str, np.ndarray]:
    cls = modeling.Qwen3_5MoeForConditionalGeneration if recipe.composite else modeling.Qwen3_5MoeForCausalLM
    model = cls.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", experts_implementation="eager"
    )
    model.eval()
    seen: list[np.ndarray] = []

    def record(module: torch.nn.Module, args: Any, result: Any) -> None:
        seen.append(torch.softmax(result[0].float(), -1).numpy())

    for module in model.modules():
        if isinstance(module, modeling.Qwen3_5MoeTopKRouter):
            module.register_forward_hook(record)

    def run(tokens: list[int]) -> tuple[np.ndarray, list[np.ndarray]]:
        seen.clear()
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([tokens]), use_cache=False).logits
        return logits[0].float().numpy(), list(seen)

    return reference(run, ids, recipe.shape["num_experts_per_tok"])


# ---- MLX
# ----------------------------------------------------------------------------------------------------------


def write_mlx(recipe: Mlx, seed: int, folder: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        source = Path(name)
        write_huggingface(HuggingFace(recipe.shape, recipe.dtype, fused=True), seed, source)
        text = json.loads((source / "config.json").read_text())
        text["full_attention_interval"] = recipe.interval
        kept = ("architectures", "dtype", "tie_word_embeddings", "transformers_version")
        config = {"model_type": "qwen3_5_moe", **{key: text[key] for key in kept}, "text_config": text}
        (source / "config.json").write_text(json.dumps(config))
        model, config = mlx_utils.load_model(source, lazy=True)
        if recipe.bits:
            predicate = width_of(recipe) if recipe.widths else None
            model, config = mlx_utils.quantize_model(
                model, config, recipe.group, recipe.bits, quant_predicate=predicate
            )
        mlx_utils.save_model(folder, model)
        mlx_utils.save_config(config, folder / "config.json")


def width_of(recipe: Mlx) -> Callable[[str, Any], bool | dict[str, Any]]:
    def predicate(path: str, module: Any) -> bool | dict[str, Any]:
        for piece, width in recipe.widths.items():
            if piece in path:
                return {"bits": width[0], "group_size": width[1]} if width else False
        return True

    return predicate


def compute_mlx(recipe: Mlx, folder: Path, ids: np.ndarray) -> dict[str, np.ndarray]:
    model, _ = mlx_utils.load_model(folder)
    floats = (mx.bfloat16, mx.float16)
    model.update(tree_map(lambda p: p.astype(mx.float32) if p.dtype in floats else p, model.parameters()))
    seen: list[mx.array] = []

    def run(tokens: list[int]) -> tuple[np.ndarray, list[np.ndarray]]:
        seen.clear()
        logits = model(mx.array([tokens]))
        return np.array(logits[0]), [np.array(p[0]) for p in seen]

    with recorded_routers(seen):
        return reference(run, ids, recipe.shape["num_experts_per_tok"])


@contextlib.contextmanager
def recorded_routers(seen: list[mx.array]) -> Iterator[None]:
    original = Qwen3NextSparseMoeBlock.__call__

    def call(self: Any, x: mx.array) -> mx.array:
        seen.append(mx.softmax(self.gate(x), axis=-1, precise=True))
        return original(self, x)

    Qwen3NextSparseMoeBlock.__call__ = call
    try:
        yield
    finally:
        Qwen3NextSparseMoeBlock.__call__ = original


# ---- both
# ---------------------------------------------------------------------------------------------------------

Run = Callable[
    [list[int]], tuple[np.ndarray, list[np.ndarray]]
]  # ids -> logits [n, vocab], probabilities [n, E] a layer


def reference(run: Run, ids: np.ndarray, k: int) -> dict[str, np.ndarray]:
    tokens = ids.tolist()
    logits, routers = run(tokens)
    check_gaps(routers, k)
    experts = np.stack([np.argsort(-p, axis=-1, kind="stable")[:, :k] for p in routers])
    last = logits[-1]
    for step in range(CONTINUATION):
        best = np.sort(last)[-2:]
        if best[1] - best[0] < MIN_LOGIT_GAP:
            raise Unlucky(f"logits {best[1] - best[0]:.2g} apart")
        tokens.append(int(last.argmax()))
        if step + 1 < CONTINUATION:
            longer, routers = run(tokens)
            last = longer[-1]
    check_gaps(routers, k)
    return {
        "ids": ids.astype(np.int32),
        "logits": logits.astype(np.float32),
        "greedy": np.array(tokens[len(ids) :], np.int32),
        "experts": experts.astype(np.int16),
    }


def check_gaps(routers: list[np.ndarray], k: int) -> None:
    for p in routers:
        ordered = np.log(-np.sort(-p, axis=-1))
        if k < p.shape[-1] and (gap := (ordered[:, k - 1] - ordered[:, k]).min()) < MIN_ROUTER_GAP:
            raise Unlucky(f"experts {gap:.2g} apart")


def add_tokenizer(folder: Path) -> None:
    """A byte-level tokenizer of 320 tokens, a chat template and the configuration files around them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([__doc__ or ""], trainer)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    names = {"eos_token": SPECIAL[1], "pad_token": SPECIAL[0], "bos_token": None}
    (folder / "tokenizer_config.json").write_text(
        json.dumps(names | {"tokenizer_class": "Qwen2Tokenizer"}, indent=1)
    )
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [1, 0]}, indent=1))


def make(name: str, recipe: HuggingFace | Mlx) -> None:
    for seed in range(1, 500):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / name
            folder.mkdir()
            ids = np.random.default_rng(seed).integers(0, recipe.shape["vocab_size"], TOKENS)
            try:
                if isinstance(recipe, Mlx):
                    write_mlx(recipe, seed, folder)
                    result = compute_mlx(recipe, folder, ids)
                else:
                    write_huggingface(recipe, seed, folder)
                    result = compute_huggingface(recipe, folder, ids)
            except Unlucky as why:
                print(f"{name}: seed {seed}: {why}", file=sys.stderr, flush=True)
                continue
            for extra in ("generation_config.json", "README.md"):
                (folder / extra).unlink(missing_ok=True)
            for file in folder.iterdir():
                file.chmod(0o644)
            if recipe.tokenizer:
                add_tokenizer(folder)
            shutil.rmtree(OUT / name, ignore_errors=True)
            shutil.copytree(folder, OUT / name)
            np.savez_compressed(OUT / f"{name}.npz", **result)
        size = sum(f.stat().st_size for f in (OUT / name).iterdir()) + (OUT / f"{name}.npz").stat().st_size
        print(
            f"{name}: seed {seed}, logits std {result['logits'].std():.2f}, {size / 1000:.0f} KB", flush=True
        )
        return
    sys.exit(f"{name}: no seed without a near tie")


def make_quantised() -> None:
    """What mx.quantize makes of a few awkward rows, at every width, from bf16 and from f32."""
    generator = np.random.default_rng(0)
    rows = generator.standard_normal((8, 128)).astype(np.float32)
    rows[1] = 0
    rows[2] = 1.5
    rows[3] = np.abs(rows[3])
    rows[4, :64] = -2
    rows[5] *= 1e-7
    rows[6] *= 1e4
    rows[7, ::2] = 0
    result = {}
    for dtype, kind in (("bf16", mx.bfloat16), ("f32", mx.float32)):
        weights = mx.array(rows).astype(kind)
        result[f"{dtype}-weights"] = np.array(weights.astype(mx.float32))
        for bits in (2, 3, 4, 5, 6, 8):
            for group in (32, 64, 128):
                parts = mx.quantize(weights, group_size=group, bits=bits)
                stored = [np.array(p.view(mx.uint16) if kind == mx.bfloat16 else p) for p in parts[1:]]
                for part, value in zip(
                    ("packed", "scales", "biases"), (np.array(parts[0]), *stored), strict=True
                ):
                    result[f"{dtype}-{bits}-{group}-{part}"] = value
    np.savez_compressed(OUT.parent / "mlx_quantize.npz", **result)


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes tests/fixtures/models; see the head of this file.")
    parser.add_argument(
        "names", nargs="*", choices=[[], *FIXTURES], metavar="NAME", help="all when none is named"
    )
    names = parser.parse_args().names
    OUT.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # these models are too small for more
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    if not names:
        make_quantised()
    for name in names or FIXTURES:
        make(name, FIXTURES[name])


if __name__ == "__main__":
    main()
