"""Qwen3.5-MoE in plain torch, for training: one function a layer, weights in a dict under their Hugging Face names.

The mathematics is that of the engine. What differs is the form: sequences hold several documents (a document starts
where its position is 0; attention, convolution and recurrent state do not cross that), tokens are sorted by expert and
padded to ROWS so that all experts are one grouped product, and each of the two kinds of layer is compiled once.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .delta_rule import delta_rule

ROWS = 16  # every expert gets at least this many rows and a multiple of it: what grouped products need
Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Config:
    """The shape of a model, in the words of its config.json."""

    vocab_size: int = 4096
    hidden_size: int = 256
    num_hidden_layers: int = 8
    full_attention_interval: int = 2
    num_attention_heads: int = 8
    num_key_value_heads: int = 4
    head_dim: int = 64
    partial_rotary_factor: float = 0.5
    rope_theta: float = 1e6
    linear_num_key_heads: int = 4
    linear_num_value_heads: int = 8
    linear_key_head_dim: int = 32
    linear_value_head_dim: int = 32
    linear_conv_kernel_dim: int = 4
    num_experts: int = 64
    num_experts_per_tok: int = 4
    moe_intermediate_size: int = 128
    shared_expert_intermediate_size: int = 128
    rms_norm_eps: float = 1e-6
    max_position_embeddings: int = 1024

    @property
    def layer_types(self) -> list[str]:
        every = self.full_attention_interval
        kinds = ("linear_attention", "full_attention")
        return [kinds[(i + 1) % every == 0] for i in range(self.num_hidden_layers)]

    @property
    def rotary_dims(self) -> int:
        return int(self.head_dim * self.partial_rotary_factor)

    def to_hf(self, eos: int, pad: int) -> dict[str, Any]:
        """config.json of the text model, as transformers writes it."""
        text = asdict(self)
        half = self.rotary_dims // 2
        text["rope_parameters"] = {
            "rope_type": "default",
            "rope_theta": text.pop("rope_theta"),
            "partial_rotary_factor": text.pop("partial_rotary_factor"),
            "mrope_interleaved": True,
            "mrope_section": [half - 2 * (half // 3), half // 3, half // 3],
        }
        return {
            "architectures": ["Qwen3_5MoeForCausalLM"],
            "model_type": "qwen3_5_moe_text",
            "dtype": "bfloat16",
            "attention_bias": False,
            "attention_dropout": 0.0,
            "hidden_act": "silu",
            "initializer_range": 0.02,
            "layer_types": self.layer_types,
            "output_router_logits": False,
            "router_aux_loss_coef": 0.01,
            "tie_word_embeddings": False,
            "use_cache": True,
            "bos_token_id": None,
            "eos_token_id": eos,
            "pad_token_id": pad,
            **text,
        }


# --- weights


def shapes(c: Config) -> dict[str, tuple[int, ...]]:
    """Every weight's name and shape."""
    kd, vd = (
        c.linear_num_key_heads * c.linear_key_head_dim,
        c.linear_num_value_heads * c.linear_value_head_dim,
    )
    H, E, width, shared = (
        c.hidden_size,
        c.num_experts,
        c.moe_intermediate_size,
        c.shared_expert_intermediate_size,
    )
    qd, kvd = c.num_attention_heads * c.head_dim, c.num_key_value_heads * c.head_dim
    linear = {
        "in_proj_qkv.weight": (2 * kd + vd, H),
        "in_proj_z.weight": (vd, H),
        "in_proj_b.weight": (c.linear_num_value_heads, H),
        "in_proj_a.weight": (c.linear_num_value_heads, H),
        "conv1d.weight": (2 * kd + vd, 1, c.linear_conv_kernel_dim),
        "A_log": (c.linear_num_value_heads,),
        "dt_bias": (c.linear_num_value_heads,),
        "norm.weight": (c.linear_value_head_dim,),
        "out_proj.weight": (H, vd),
    }
    full = {
        "q_proj.weight": (2 * qd, H),
        "k_proj.weight": (kvd, H),
        "v_proj.weight": (kvd, H),
        "o_proj.weight": (H, qd),
        "q_norm.weight": (c.head_dim,),
        "k_norm.weight": (c.head_dim,),
    }
    moe = {
        "mlp.gate.weight": (E, H),
        "mlp.experts.gate_up_proj": (E, 2 * width, H),
        "mlp.experts.down_proj": (E, H, width),
        "mlp.shared_expert.gate_proj.weight": (shared, H),
        "mlp.shared_expert.up_proj.weight": (shared, H),
        "mlp.shared_expert.down_proj.weight": (H, shared),
        "mlp.shared_expert_gate.weight": (1, H),
    }
    out: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (c.vocab_size, H)}
    for i, kind in enumerate(c.layer_types):
        mixer, parts = ("linear_attn.", linear) if kind == "linear_attention" else ("self_attn.", full)
        layer = {"input_layernorm.weight": (H,), "post_attention_layernorm.weight": (H,)}
        layer |= {mixer + name: shape for name, shape in parts.items()} | moe
        out |= {f"model.layers.{i}.{name}": shape for name, shape in layer.items()}
    return out | {"model.norm.weight": (H,), "lm_head.weight": (c.vocab_size, H)}


def initial(c: Config, seed: int = 0) -> Weights:
    """Fresh float32 weights."""
    random = torch.Generator().manual_seed(seed)
    residual = 1 / math.sqrt(2 * c.num_hidden_layers)
    out: Weights = {}
    for name, shape in shapes(c).items():
        if name.endswith("norm.weight"):
            out[name] = torch.ones(shape) if "linear_attn.norm" in name else torch.zeros(shape)
        elif name.endswith("A_log"):
            out[name] = torch.empty(shape).uniform_(1, 16, generator=random).log()
        elif name.endswith("dt_bias"):
            dt = torch.exp(torch.empty(shape).uniform_(math.log(1e-3), math.log(1e-1), generator=random))
            out[name] = dt + torch.log(-torch.expm1(-dt))  # the inverse of softplus
        elif name.endswith("conv1d.weight"):
            out[name] = torch.empty(shape).uniform_(-0.5, 0.5, generator=random)
        else:
            scale = 0.02 if name.startswith(("model.embed", "lm_head")) else 0.5 / math.sqrt(shape[-1])
            if name.endswith(("o_proj.weight", "out_proj.weight", "down_proj", "down_proj.weight")):
                scale *= residual
            out[name] = torch.randn(shape, generator=random) * scale
    return out


def layer_weights(weights: Weights, i: int) -> Weights:
    prefix = f"model.layers.{i}."
    return {name[len(prefix) :]: w for name, w in weights.items() if name.startswith(prefix)}


# --- parts of a layer; x is [B, T, H]


def norm(x: Tensor, w: Tensor, eps: float) -> Tensor:
    y = x.float()
    y = y * torch.rsqrt(y.square().mean(-1, keepdim=True) + eps)
    return (y * (1 + w.float())).to(x.dtype)


def linear(x: Tensor, w: Tensor) -> Tensor:
    return F.linear(x, w.to(x.dtype))


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """RoPE on the first dims of x [B, T, heads, D]; cos and sin are [B, T, 1, R / 2] float32."""
    half = cos.shape[-1]
    a, b, rest = x[..., :half].float(), x[..., half : 2 * half].float(), x[..., 2 * half :]
    return torch.cat([(a * cos - b * sin).to(x.dtype), (b * cos + a * sin).to(x.dtype), rest], -1)


def attention(x: Tensor, at: Positions, p: Weights, c: Config) -> Tensor:
    B, T, _ = x.shape
    heads, D = c.num_attention_heads, c.head_dim
    q, gate = linear(x, p["self_attn.q_proj.weight"]).view(B, T, heads, 2 * D).split(D, -1)
    k = linear(x, p["self_attn.k_proj.weight"]).view(B, T, -1, D)
    v = linear(x, p["self_attn.v_proj.weight"]).view(B, T, -1, D)
    q = rotate(norm(q, p["self_attn.q_norm.weight"], c.rms_norm_eps), at.cos, at.sin)
    k = rotate(norm(k, p["self_attn.k_norm.weight"], c.rms_norm_eps), at.cos, at.sin)
    group = heads // c.num_key_value_heads
    k, v = (y.repeat_interleave(group, 2) for y in (k, v))
    y = F.scaled_dot_product_attention(*(z.transpose(1, 2) for z in (q, k, v)), attn_mask=at.mask)
    y = y.transpose(1, 2) * torch.sigmoid(gate.float()).to(x.dtype)
    return linear(y.reshape(B, T, heads * D), p["self_attn.o_proj.weight"])


def delta_net(x: Tensor, at: Positions, p: Weights, c: Config) -> Tensor:
    B, T, _ = x.shape
    Hk, Hv, dk, dv = (
        c.linear_num_key_heads, c.linear_num_value_heads, c.linear_key_head_dim, c.linear_value_head_dim
    )  # fmt: skip
    u = linear(x, p["linear_attn.in_proj_qkv.weight"])
    z = linear(x, p["linear_attn.in_proj_z.weight"]).view(B, T, Hv, dv)
    beta = torch.sigmoid(linear(x, p["linear_attn.in_proj_b.weight"]).float())
    a = linear(x, p["linear_attn.in_proj_a.weight"]).float()
    g = torch.exp(
        -torch.exp(p["linear_attn.A_log"].float()) * F.softplus(a + p["linear_attn.dt_bias"].float())
    )
    g = torch.where(at.position[..., None] == 0, torch.zeros_like(g), g)

    taps = p["linear_attn.conv1d.weight"].float()[:, 0]  # [channels, K], the last for the token itself
    conv = u.float() * taps[:, -1]
    for back in range(1, taps.shape[1]):
        earlier = F.pad(u, (0, 0, back, 0))[:, :T].float()
        conv = conv + torch.where(at.position[..., None] >= back, earlier, 0.0) * taps[:, -1 - back]
    conv = F.silu(conv)

    q, k, v = conv.split([Hk * dk, Hk * dk, Hv * dv], -1)

    def unit(y: Tensor) -> Tensor:
        return y * torch.rsqrt(y.square().sum(-1, keepdim=True) + 1e-6)

    q = (unit(q.reshape(B, T, Hk, dk)) * dk**-0.5).to(x.dtype).contiguous()
    k = unit(k.reshape(B, T, Hk, dk)).to(x.dtype).contiguous()
    v = v.reshape(B, T, Hv, dv).to(x.dtype).contiguous()
    o = delta_rule(q, k, v, g.contiguous(), beta.contiguous()).float()
    o = o * torch.rsqrt(o.square().mean(-1, keepdim=True) + c.rms_norm_eps)
    o = o * p["linear_attn.norm.weight"].float() * F.silu(z.float())
    return linear(o.to(x.dtype).view(B, T, Hv * dv), p["linear_attn.out_proj.weight"])


class _Dispatch(torch.autograd.Function):
    """rows[s] = x[pair_of[s] // k]; rows that pad a group are zero. Its gradient gathers too: no atomics."""

    @staticmethod
    def forward(ctx, x: Tensor, pair_of: Tensor, slot_of: Tensor, k: int) -> Tensor:
        ctx.save_for_backward(slot_of)
        ctx.k = k
        n = x.shape[0]
        rows = x[(pair_of // k).clamp(max=n - 1)]
        return torch.where((pair_of < n * k)[:, None], rows, 0.0)

    @staticmethod
    def backward(ctx, d: Tensor):
        (slot_of,) = ctx.saved_tensors
        return (
            d[slot_of].view(-1, ctx.k, d.shape[1]).sum(1, dtype=torch.float32).to(d.dtype),
            None,
            None,
            None,
        )


class _Combine(torch.autograd.Function):
    """y[t] = sum over its k slots of rows[slot]."""

    @staticmethod
    def forward(ctx, rows: Tensor, pair_of: Tensor, slot_of: Tensor, k: int) -> Tensor:
        ctx.save_for_backward(pair_of)
        ctx.k = k
        return rows[slot_of].view(-1, k, rows.shape[1]).sum(1, dtype=torch.float32).to(rows.dtype)

    @staticmethod
    def backward(ctx, d: Tensor):
        (pair_of,) = ctx.saved_tensors
        n = d.shape[0]
        rows = d[(pair_of // ctx.k).clamp(max=n - 1)]
        return torch.where((pair_of < n * ctx.k)[:, None], rows, 0.0), None, None, None


class _SlotWeight(torch.autograd.Function):
    """The router's weight of every slot, 0 for padding."""

    @staticmethod
    def forward(ctx, w: Tensor, pair_of: Tensor, slot_of: Tensor) -> Tensor:
        ctx.save_for_backward(slot_of)
        pairs = w.numel()
        return torch.where(pair_of < pairs, w.flatten()[pair_of.clamp(max=pairs - 1)], 0.0)

    @staticmethod
    def backward(ctx, d: Tensor):
        (slot_of,) = ctx.saved_tensors
        return d[slot_of], None, None


def grouped(x: Tensor, w: Tensor, ends: Tensor) -> Tensor:
    """x's rows up to ends[0] times w[0] [out, in] transposed, the next ones times w[1], and so on."""
    if x.device.type == "cuda":
        return torch._grouped_mm(x, w.transpose(1, 2), offs=ends)
    bounds = [0, *ends.tolist()]
    parts = [x[a:b] @ w[e].t() for e, (a, b) in enumerate(itertools.pairwise(bounds))]
    return torch.cat([*parts, x.new_zeros(x.shape[0] - bounds[-1], w.shape[1])])


def top(probs: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """torch.topk by k passes of max, which is faster for rows this short."""
    left = probs.detach()
    every = torch.arange(probs.shape[1], device=probs.device)
    chosen = []
    for _ in range(k):
        best = left.argmax(-1, keepdim=True)
        left = left.masked_fill(every == best, -1.0)
        chosen.append(best)
    index = torch.cat(chosen, -1)
    return probs.gather(-1, index), index


def moe(x: Tensor, p: Weights, c: Config) -> tuple[Tensor, Tensor, Tensor]:
    """The output, the load-balancing loss and how many tokens each expert got. x is [N, H]."""
    N, k, E = x.shape[0], c.num_experts_per_tok, c.num_experts
    probs = torch.softmax(linear(x, p["mlp.gate.weight"]).float(), -1)
    w, chosen = top(probs, k)
    w = w / w.sum(-1, keepdim=True)

    expert, order = torch.sort(chosen.flatten().to(torch.uint8), stable=True)
    every = torch.arange(E, device=x.device, dtype=torch.uint8)
    begin = torch.searchsorted(expert, every)
    count = torch.searchsorted(expert, every, right=True) - begin
    room = ((count + ROWS - 1) // ROWS).clamp(min=1) * ROWS
    ends = room.cumsum(0)
    slot = torch.arange(N * k, device=x.device) + (ends - room - begin)[expert.int()]
    slot_of = torch.empty_like(slot).scatter_(0, order, slot)  # pair -> row
    pair_of = torch.full((N * k + E * ROWS,), N * k, device=x.device).scatter_(0, slot, order)  # row -> pair

    rows = _Dispatch.apply(x, pair_of, slot_of, k)
    ends32 = ends.to(torch.int32)
    gate_up = grouped(rows, p["mlp.experts.gate_up_proj"].to(x.dtype), ends32)
    gate, up = gate_up.chunk(2, -1)
    weight = _SlotWeight.apply(w.flatten(), pair_of, slot_of)
    h = (F.silu(gate.float()) * up.float() * weight[:, None]).to(x.dtype)
    y = _Combine.apply(grouped(h, p["mlp.experts.down_proj"].to(x.dtype), ends32), pair_of, slot_of, k)

    hidden = F.silu(linear(x, p["mlp.shared_expert.gate_proj.weight"])) * linear(
        x, p["mlp.shared_expert.up_proj.weight"]
    )
    shared = linear(hidden, p["mlp.shared_expert.down_proj.weight"])
    y = y + torch.sigmoid(linear(x, p["mlp.shared_expert_gate.weight"]).float()).to(x.dtype) * shared

    share = count.float() / (N * k)
    return y, E * (share * probs.mean(0)).sum(), count


# --- the model


@dataclass
class Positions:
    """What layers need to know of where each token stands, made once a batch from positions [B, T]."""

    position: Tensor
    cos: Tensor  # [B, T, 1, R / 2] float32
    sin: Tensor
    mask: Tensor  # [B, 1, T, T], added to scores

    @staticmethod
    def of(position: Tensor, c: Config, dtype: torch.dtype) -> Positions:
        R = c.rotary_dims
        j = torch.arange(0, R, 2, device=position.device, dtype=torch.float64)
        angle = (position[..., None].double() * c.rope_theta ** (-j / R))[:, :, None]
        index = torch.arange(position.shape[1], device=position.device)
        start = index - position  # equal exactly for tokens of one document
        seen = (start[:, :, None] == start[:, None, :]) & (index[None, :, None] >= index[None, None, :])
        mask = torch.zeros(seen.shape, device=position.device, dtype=dtype).masked_fill_(~seen, float("-inf"))
        return Positions(position, angle.cos().float(), angle.sin().float(), mask[:, None])


def layer(
    x: Tensor, position: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, p: Weights, c: Config
) -> tuple[Tensor, Tensor, Tensor]:
    """One layer: x after it, its load-balancing loss, its experts' loads. What it holds tells its kind."""
    at = Positions(position, cos, sin, mask)
    mixer = delta_net if "linear_attn.A_log" in p else attention
    x = x + mixer(norm(x, p["input_layernorm.weight"], c.rms_norm_eps), at, p, c)
    y, balance, count = moe(norm(x, p["post_attention_layernorm.weight"], c.rms_norm_eps).flatten(0, 1), p, c)
    return x + y.view_as(x), balance, count


def token_losses(x: Tensor, w: Tensor, head: Tensor, target: Tensor, eps: float) -> Tensor:
    """-log p of every target, float32, from the last layer's x."""
    logits = linear(norm(x, w, eps), head).flatten(0, -2).float()
    return torch.logsumexp(logits, -1) - logits.gather(-1, target.flatten()[:, None]).squeeze(-1)


class Model:
    """The layers in a row. `compiled` makes the two kinds of layer and the loss one compiled function each."""

    def __init__(
        self, config: Config, weights: Weights, dtype: torch.dtype = torch.float32, compiled: bool = False
    ):
        self.config, self.weights, self.dtype = config, weights, dtype
        self.layer, self.losses = layer, token_losses
        if compiled:
            self.layer = torch.compile(layer, dynamic=False, fullgraph=True)
            self.losses = torch.compile(token_losses, dynamic=False, fullgraph=True)
        self.by_layer = [layer_weights(weights, i) for i in range(config.num_hidden_layers)]

    def hidden(self, ids: Tensor, position: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x after the last layer, the summed load-balancing loss, and loads [layers, experts]."""
        at = Positions.of(position, self.config, self.dtype)
        x = F.embedding(ids, self.weights["model.embed_tokens.weight"]).to(self.dtype)
        balance, counts = 0.0, []
        for p in self.by_layer:
            x, extra, count = self.layer(x, position, at.cos, at.sin, at.mask, p, self.config)
            balance = balance + extra
            counts.append(count)
        return x, balance, torch.stack(counts)

    def logits(self, x: Tensor) -> Tensor:
        x = norm(x, self.weights["model.norm.weight"], self.config.rms_norm_eps)
        return linear(x, self.weights["lm_head.weight"]).float()

    def token_losses(self, x: Tensor, target: Tensor) -> Tensor:
        head, final = self.weights["lm_head.weight"], self.weights["model.norm.weight"]
        return self.losses(x, final, head, target, self.config.rms_norm_eps)
