"""Muon, which weights it is for, and weights rounded as 4 bits leave them."""

from __future__ import annotations

import math
from collections import defaultdict

import torch
from torch import Tensor

from .export import bits_of, quantised


def orthogonal(g: Tensor) -> Tensor:
    """Matrices [n, s, l], s <= l, with their singular values driven towards 1 (Newton-Schulz, five steps)."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g.bfloat16()
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        s = torch.bmm(x, x.mT)
        s = torch.baddbmm(s, s, s, beta=b, alpha=c)
        x = torch.baddbmm(x, s, x, beta=a)
    return x


class Muon:
    """Momentum, orthogonalised, for weight matrices; experts and the halves of fused tensors are matrices of their own."""

    def __init__(self, weights: dict[str, Tensor], momentum: float = 0.95, decay: float = 0.1):
        self.momentum, self.decay = momentum, decay
        self.groups: dict[tuple[int, int], list[tuple[Tensor, tuple[int, int, int]]]] = defaultdict(list)
        for name, w in weights.items():
            rows, columns = w.shape[-2:]
            if "gate_up_proj" in name:
                rows //= 2
            view = (w.numel() // (rows * columns), rows, columns)
            self.groups[min(rows, columns), max(rows, columns)].append((w, view))
        self.buffers = {
            shape: torch.zeros(sum(view[0] for _, view in group), *shape, device=group[0][0].device)
            for shape, group in self.groups.items()
        }

    @torch.no_grad()
    def step(self, lr: float) -> None:
        for shape, group in self.groups.items():
            grads = [w.grad.view(view) for w, view in group]
            g = torch.cat([x.mT if x.shape[1] > x.shape[2] else x for x in grads])
            buffer = self.buffers[shape]
            buffer.lerp_(g, 1 - self.momentum)
            update = orthogonal(g.lerp_(buffer, self.momentum)).split([view[0] for _, view in group])
            updates = [
                (u.mT if view[1] > view[2] else u).reshape(w.shape)
                for u, (w, view) in zip(update, group, strict=True)
            ]
            weights = [w for w, _ in group]
            torch._foreach_mul_(weights, 1 - lr * self.decay)
            torch._foreach_add_(weights, [u.float() for u in updates], alpha=-lr * 0.2 * math.sqrt(shape[1]))


def for_muon(name: str, w: Tensor) -> bool:
    return (
        w.ndim >= 2
        and min(w.shape[-2:]) >= 64
        and not name.startswith(("model.embed", "lm_head"))
        and "mlp.gate." not in name
    )


class Rounding:
    """Lets a step see the weights as a 4-bit model has them, while the optimiser moves the exact ones."""

    def __init__(self, weights: dict[str, Tensor], compiled: bool):
        self.sets = [
            ([w for name, w in weights.items() if bits_of(name, w) == bits], bits) for bits in sorted({4, 8})
        ]
        self.exact = {id(w): torch.empty_like(w) for ws, _ in self.sets for w in ws}
        self.round = torch.compile(quantised, dynamic=False) if compiled else quantised

    @torch.no_grad()
    def enter(self) -> None:
        for ws, bits in self.sets:
            torch._foreach_copy_([self.exact[id(w)] for w in ws], ws)
            rounded = self.round(torch.cat([w.detach().view(-1, 64) for w in ws]), bits)
            torch._foreach_copy_([w.detach() for w in ws], [
                part.view(w.shape) for part, w in zip(rounded.split([w.numel() // 64 for w in ws]), ws, strict=True)
            ])  # fmt: skip

    @torch.no_grad()
    def leave(self) -> None:
        for ws, _ in self.sets:
            torch._foreach_copy_([w.detach() for w in ws], [self.exact[id(w)] for w in ws])
