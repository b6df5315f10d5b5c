"""The gated delta rule over packed sequences, with its gradient: two Triton kernels, and plain torch on a CPU.

For every value head, with a state S of [dk, dv] in float32,

    S' = g S;   u = v - S'^T k;   S = S' + beta k u^T;   o = S^T q

A document starts where g is 0: that clears the state, so packed sequences need no mask. One warp owns one head (or a
block of its columns) and walks the tokens; the states are small enough to stay in registers, and a batch holds enough
heads to fill the chip. The forward kernel keeps the state at every SEGMENT tokens; the backward kernel replays one
segment at a time from there.
"""

from __future__ import annotations

import torch
from torch import Tensor

try:
    import triton
    import triton.language as tl
except ImportError:  # a CPU-only installation of torch
    triton = None

SEGMENT = 8
COLUMNS = 16  # columns of the state that one warp holds

if triton is not None:

    @triton.jit
    def _forward_kernel(
        q, k, v, g, beta, o, states, T: tl.constexpr,
        HK: tl.constexpr, HV: tl.constexpr, DK: tl.constexpr, DV: tl.constexpr, BV: tl.constexpr, SEG: tl.constexpr,
    ):  # fmt: skip
        head = tl.program_id(0)
        b = head // HV
        h = head % HV
        i = tl.arange(0, DK)
        j = tl.program_id(1) * BV + tl.arange(0, BV)
        qk_at = (b.to(tl.int64) * T * HK + h // (HV // HK)) * DK
        v_at = (b.to(tl.int64) * T * HV + h) * DV
        s_at = b.to(tl.int64) * T * HV + h
        cell = i[:, None] * DV + j[None, :]
        state_at = head.to(tl.int64) * (T // SEG) * DK * DV

        S = tl.zeros([DK, BV], tl.float32)
        k_next = tl.load(k + qk_at + i).to(tl.float32)
        q_next = tl.load(q + qk_at + i).to(tl.float32)
        v_next = tl.load(v + v_at + j).to(tl.float32)
        g_next = tl.load(g + s_at)
        b_next = tl.load(beta + s_at)
        for segment in range(0, T // SEG):
            tl.store(states + state_at + segment * DK * DV + cell, S)
            for step in range(0, SEG):
                kt = k_next
                qt = q_next
                vt = v_next
                gt = g_next
                bt = b_next
                t = segment * SEG + step
                after = min(t + 1, T - 1)  # loads for the next token run ahead of this token's arithmetic
                k_next = tl.load(k + qk_at + after * HK * DK + i).to(tl.float32)
                q_next = tl.load(q + qk_at + after * HK * DK + i).to(tl.float32)
                v_next = tl.load(v + v_at + after * HV * DV + j).to(tl.float32)
                g_next = tl.load(g + s_at + after * HV)
                b_next = tl.load(beta + s_at + after * HV)
                S = S * gt
                u = vt - tl.sum(S * kt[:, None], 0)
                S = S + kt[:, None] * (bt * u)[None, :]
                out = tl.sum(S * qt[:, None], 0)
                tl.store(o + v_at + t * HV * DV + j, out.to(o.dtype.element_ty))

    @triton.jit
    def _backward_kernel(
        do, q, k, v, g, beta, states, dq, dk, dv, dg, dbeta, scratch, B, T: tl.constexpr,
        HK: tl.constexpr, HV: tl.constexpr, DK: tl.constexpr, DV: tl.constexpr, BV: tl.constexpr, SEG: tl.constexpr,
    ):  # fmt: skip
        head = tl.program_id(0)
        split = tl.program_id(1)
        b = head // HV
        h = head % HV
        i = tl.arange(0, DK)
        j = split * BV + tl.arange(0, BV)
        qk_at = (b.to(tl.int64) * T * HK + h // (HV // HK)) * DK
        v_at = (b.to(tl.int64) * T * HV + h) * DV
        s_at = b.to(tl.int64) * T * HV + h
        part = (
            split.to(tl.int64) * B * T * HV
        )  # each split of the columns gives its own partial sums over columns
        cell = i[:, None] * DV + j[None, :]
        state_at = head.to(tl.int64) * (T // SEG) * DK * DV
        scratch_at = head.to(tl.int64) * SEG * DK * DV

        dS = tl.zeros([DK, BV], tl.float32)
        for back in range(0, T // SEG):
            segment = T // SEG - 1 - back
            first = segment * SEG
            S = tl.load(states + state_at + segment * DK * DV + cell)
            k_next = tl.load(k + qk_at + first * HK * DK + i).to(tl.float32)
            v_next = tl.load(v + v_at + first * HV * DV + j).to(tl.float32)
            g_next = tl.load(g + s_at + first * HV)
            b_next = tl.load(beta + s_at + first * HV)
            for step in range(0, SEG):
                kt = k_next
                vt = v_next
                gt = g_next
                bt = b_next
                after = min(first + step + 1, T - 1)
                k_next = tl.load(k + qk_at + after * HK * DK + i).to(tl.float32)
                v_next = tl.load(v + v_at + after * HV * DV + j).to(tl.float32)
                g_next = tl.load(g + s_at + after * HV)
                b_next = tl.load(beta + s_at + after * HV)
                tl.store(scratch + scratch_at + step * DK * DV + cell, S)
                S = S * gt
                u = vt - tl.sum(S * kt[:, None], 0)
                S = S + kt[:, None] * (bt * u)[None, :]
            tl.debug_barrier()
            last = first + SEG - 1
            S_next = tl.load(scratch + scratch_at + (SEG - 1) * DK * DV + cell)
            k_next = tl.load(k + qk_at + last * HK * DK + i).to(tl.float32)
            q_next = tl.load(q + qk_at + last * HK * DK + i).to(tl.float32)
            v_next = tl.load(v + v_at + last * HV * DV + j).to(tl.float32)
            o_next = tl.load(do + v_at + last * HV * DV + j).to(tl.float32)
            g_next = tl.load(g + s_at + last * HV)
            b_next = tl.load(beta + s_at + last * HV)
            for back_step in range(0, SEG):
                step = SEG - 1 - back_step
                t = first + step
                before = S_next
                kt = k_next
                qt = q_next
                vt = v_next
                dot = o_next
                gt = g_next
                bt = b_next
                ahead = max(step - 1, 0)
                S_next = tl.load(scratch + scratch_at + ahead * DK * DV + cell)
                k_next = tl.load(k + qk_at + (first + ahead) * HK * DK + i).to(tl.float32)
                q_next = tl.load(q + qk_at + (first + ahead) * HK * DK + i).to(tl.float32)
                v_next = tl.load(v + v_at + (first + ahead) * HV * DV + j).to(tl.float32)
                o_next = tl.load(do + v_at + (first + ahead) * HV * DV + j).to(tl.float32)
                g_next = tl.load(g + s_at + (first + ahead) * HV)
                b_next = tl.load(beta + s_at + (first + ahead) * HV)
                decayed = before * gt
                u = vt - tl.sum(decayed * kt[:, None], 0)
                d = bt * u
                S = decayed + kt[:, None] * d[None, :]
                dS = dS + qt[:, None] * dot[None, :]
                dqt = tl.sum(S * dot[None, :], 1)
                dd = tl.sum(dS * kt[:, None], 0)
                du = bt * dd
                dkt = tl.sum(dS * d[None, :] - decayed * du[None, :], 1)
                dS = dS - kt[:, None] * du[None, :]
                dgt = tl.sum(tl.sum(dS * before, 1), 0)
                dS = dS * gt
                row = part + s_at + t * HV
                tl.store(dq + row * DK + i, dqt.to(dq.dtype.element_ty))
                tl.store(dk + row * DK + i, dkt.to(dk.dtype.element_ty))
                tl.store(dv + v_at + t * HV * DV + j, du.to(dv.dtype.element_ty))
                tl.store(dg + row, dgt)
                tl.store(dbeta + row, tl.sum(dd * u, 0))
            tl.debug_barrier()


def recurrent(q: Tensor, k: Tensor, v: Tensor, g: Tensor, beta: Tensor) -> Tensor:
    """The definition, one token after another: the reference for the kernels and the form that runs on a CPU."""
    group = v.shape[2] // q.shape[2]
    q, k = (x.float().repeat_interleave(group, 2) for x in (q, k))
    S = q.new_zeros(q.shape[0], q.shape[2], q.shape[3], v.shape[3])
    out = []
    for t in range(q.shape[1]):
        S = S * g[:, t, :, None, None]
        u = v[:, t].float() - torch.einsum("bhkv,bhk->bhv", S, k[:, t])
        S = S + torch.einsum("bhk,bhv->bhkv", k[:, t], beta[:, t, :, None] * u)
        out.append(torch.einsum("bhkv,bhk->bhv", S, q[:, t]))
    return torch.stack(out, 1).to(v.dtype)


def _splits(v: Tensor) -> int:
    return max(1, v.shape[3] // COLUMNS)


@torch.library.custom_op("flashmoe_demo::delta_rule", mutates_args=())
def _delta_rule(q: Tensor, k: Tensor, v: Tensor, g: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
    B, T, HK, DK = q.shape
    HV, DV = v.shape[2:]
    o = torch.empty_like(v)
    states = torch.empty(B, HV, T // SEGMENT, DK, DV, device=v.device, dtype=torch.float32)
    grid = (B * HV, _splits(v))
    sizes = dict(HK=HK, HV=HV, DK=DK, DV=DV, BV=DV // _splits(v), SEG=SEGMENT)
    _forward_kernel[grid](q, k, v, g, beta, o, states, T, **sizes, num_warps=1)
    return o, states


@_delta_rule.register_fake
def _(q: Tensor, k: Tensor, v: Tensor, g: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
    states = (q.shape[0], v.shape[2], q.shape[1] // SEGMENT, q.shape[3], v.shape[3])
    return torch.empty_like(v), v.new_empty(states, dtype=torch.float32)


@torch.library.custom_op("flashmoe_demo::delta_rule_backward", mutates_args=())
def _delta_rule_backward(
    do: Tensor, q: Tensor, k: Tensor, v: Tensor, g: Tensor, beta: Tensor, states: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    B, T, HK, DK = q.shape
    HV, DV = v.shape[2:]
    splits = _splits(v)
    dq, dk = (torch.empty(splits, B, T, HV, DK, device=q.device, dtype=q.dtype) for _ in range(2))
    dg, dbeta = (torch.empty(splits, B, T, HV, device=q.device, dtype=torch.float32) for _ in range(2))
    dv = torch.empty_like(v)
    scratch = torch.empty(B * HV, SEGMENT, DK, DV, device=q.device, dtype=torch.float32)
    sizes = dict(HK=HK, HV=HV, DK=DK, DV=DV, BV=DV // splits, SEG=SEGMENT)
    _backward_kernel[(B * HV, splits)](
        do.contiguous(), q, k, v, g, beta, states, dq, dk, dv, dg, dbeta, scratch, B, T, **sizes, num_warps=1
    )
    return dq, dk, dv, dg, dbeta


@_delta_rule_backward.register_fake
def _(
    do: Tensor, q: Tensor, k: Tensor, v: Tensor, g: Tensor, beta: Tensor, states: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    B, T, _, DK = q.shape
    shape = (_splits(v), B, T, v.shape[2])
    return (
        q.new_empty(*shape, DK),
        q.new_empty(*shape, DK),
        torch.empty_like(v),
        g.new_empty(shape),
        g.new_empty(shape),
    )


def _setup(ctx, inputs, output) -> None:
    ctx.save_for_backward(*inputs, output[1])


def _gradient(ctx, do: Tensor, _states: Tensor):
    q, k, v, g, beta, states = ctx.saved_tensors
    dq, dk, dv, dg, dbeta = torch.ops.flashmoe_demo.delta_rule_backward(do, q, k, v, g, beta, states)

    def to_key_heads(partial: Tensor) -> Tensor:  # [splits, B, T, HV, dk] -> [B, T, HK, dk]
        grouped = partial.unflatten(3, (q.shape[2], -1))
        return grouped.sum((0, 4), dtype=torch.float32).to(q.dtype)

    return to_key_heads(dq), to_key_heads(dk), dv, dg.sum(0), dbeta.sum(0)


_delta_rule.register_autograd(_gradient, setup_context=_setup)


def delta_rule(q: Tensor, k: Tensor, v: Tensor, g: Tensor, beta: Tensor) -> Tensor:
    """o [B, T, HV, dv] of q, k [B, T, HK, dk] (normalised and scaled), v [B, T, HV, dv], g and beta [B, T, HV] float32.

    Value head h reads key head h // (HV / HK). On a GPU T must be a multiple of SEGMENT and every input contiguous.
    """
    if q.device.type == "cpu":
        return recurrent(q, k, v, g, beta)
    return torch.ops.flashmoe_demo.delta_rule(q, k, v, g, beta)[0]
