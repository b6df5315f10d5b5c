"""Faults planted in copies of the shaders: each must be found by the tests of test_shaders.py. A fault that no test
finds means that a test is missing."""

from __future__ import annotations

import pytest

from . import cases
from .shader import ShaderError, needs_clang

pytestmark = needs_clang

BARRIER = "threadgroup_barrier(mem_flags::mem_threadgroup);"


def _barriers() -> list[tuple[str, str, tuple[str, str], str]]:
    """A removed barrier: the one after the given line."""
    places = {
        ("matvec", "matvec"): [
            "partial[p.simd] = sum;\n                }\n                ",
        ],
        ("matvec", "matvec_wide"): [
            "if (round > 0 || from > 0)\n                    ",
            "if (p.split > 1) { /* a set has FM_ROWS rows then */\n            ",
            "partial[p.simd * FM_ROWS + (in_row >> quarter_bits)] = sum;\n            ",
        ],
        ("matvec", "matvec_and_choice"): [
            "choose_largest(logits, experts, k, lane, left, value, chosen);\n    ",
            "sorted[place] = chosen[lane];\n        }\n    }\n    ",
        ],
        ("matvec", "experts_down"): [
            "args.cols, 0, first, staged, totals, lane, 32);\n    ",
            "+ in_row / quarter] = sum;\n    }\n    ",
        ],
        ("matmul", "matmul"): [
            "x_rows[index] = first_token + min(index, count - 1);\n    ",
            "x_tile[tile_row * STRIDE + octet + i] = v;\n        }\n        ",
            "simdgroup_multiply_accumulate(sums[i][j], a[i], b[j], sums[i][j]);\n        }\n        ",
            "simdgroup_store(sums[i][j], out + (token0 + 8 * i) * STRIDE + row0 + 8 * j, STRIDE);\n    ",
        ],
        ("rows", "norm_rows"): ["partial[simd] = squares;\n    "],
        ("router", "choose"): ["args.k, lane, left, value, chosen);\n    "],
        ("attention", "rope"): ["head[i * 32 + lane] = x[i] * factor * w[i];\n    "],
        ("attention", "attend_token"): [
            "float4(0.0f, 0.0f, 0.0f, 0.0f);\n    ",
            "weight[part * FM_SPAN + p] = of_part;\n    }\n    ",
            "partial[end + 1] = sum;\n        }\n    }\n    ",
            "column] = sums[h];\n                }\n        }\n        ",
            "largest[simd] = most;\n    ",
            "sums[thread_index] = sum;\n    ",
        ],
        ("attention", "attend_block"): [
            "simdgroup_store(score[i], scores + i * 8 * SCORES + simd * 8, SCORES);\n        ",
            "rescale[r * 8 + r % 8] = factor;\n        ",
        ],
        ("delta", "delta_step"): ["factor[simd] = rsqrt(squares + 1e-6f) * (simd == 0 ? rsqrt(float(dk)) : 1.0f);\n    }\n    "],
    }  # fmt: skip
    return [
        (file, case, (before + BARRIER, before + ";" * before.endswith(")\n                    ")), "thread")
        for (file, case), list_ in places.items()
        for before in list_
    ]


OTHERS = [
    # Indices.
    ("matvec", "experts_down", ("row < args.rows;\n    float old", "row < args.rows + 8;\n    float old"), "address"),
    ("matvec", "matvec_and_choice", ("ulong(place) : all", "ulong(i) : all"), "plain"),
    ("matvec", "matvec", ("y[row] = add ?", "y[row / 2] = add ?"), "plain"),
    ("matvec", "experts_matvec", ("w.table + which / w.matrices;", "w.table + which % 2;"), "plain"),
    ("matmul", "experts_matmul", ("/ args.per_token;", "% args.per_token;"), "plain"),
    ("rows", "combine", ("experts[place * args.hidden + i]", "experts[place * args.hidden]"), "plain"),
    ("attention", "attend_block", ("tile + part * 4 + i <= last", "tile + part * 4 + i < last"), "plain"),
    ("attention", "rope", ("d < half_dim ? d : d - half_dim", "d / 2"), "plain"),
    ("delta", "delta_block", ("uint key_head = head / (args.value_heads / args.key_heads)", "uint key_head = head % 2"), "plain"),
    ("router", "choose", ("most == best ? where : experts", "most == best ? lane : experts"), "plain"),
    ("router", "choose", ("v == 0.0f ? 0.0f : v", "v"), "plain"),
    # Reads and writes past the end.
    ("rows", "copy_words", ("i < args.count", "i < args.count + 4"), "plain"),
    ("matvec", "matvec", ("uint row = min(r, last - first);", "uint row = r;"), "address"),
    ("matvec", "matvec", ("valid && row < w.m.rows", "valid"), "address"),
    ("matmul", "matmul", ("if (first_row + tile_row < m.rows)", "if (true)"), "address"),
    ("rows", "norm_rows", ("i < args.cols; i += threads.x)\n        y", "i <= args.cols; i += threads.x)\n        y"), "address"),
    ("attention", "attend_token", ("min(args.position + 1 - from, args.span)", "args.span"), "address"),
    ("delta", "delta_step", ("if (d < dk)\n            ((device", "if (d < dk + 4)\n            ((device"), "address"),
    # Threadgroup memory that was not written.
    ("rows", "norm_rows", ("if (lane == 0)\n        partial[simd]", "if (lane == 0 && simd > 0)\n        partial[simd]"), "plain"),
    # A SIMD operation and a barrier that not all threads reach.
    ("rows", "norm_rows", ("squares = simd_sum(squares);", "if (lane < 31)\n        squares = simd_sum(squares);"), "plain"),
    ("rows", "norm_rows", ("    threadgroup_barrier", "    if (simd > 0) threadgroup_barrier"), "plain"),
    # Misaligned loads.
    ("matvec", "matvec", ("load_pack(words + (row * packs + pack) * (4 * FORMAT)", "load_pack(words + (row * packs + pack) * (4 * FORMAT) + 4 * (pack == 0)"), "address"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "case", "fault", "sanitizer"), [pytest.param(*f, id=f"{f[1]}-{i}") for i, f in enumerate(_barriers() + OTHERS)]
)  # fmt: skip
def test_fault_is_found(file: str, case: str, fault: tuple[str, str], sanitizer: str) -> None:
    with pytest.raises((ShaderError, AssertionError)) as caught:
        cases.CASES[case](sanitizer=sanitizer, fault=fault)
    assert "places like" not in str(caught.value) and "could not compile" not in str(caught.value)


def test_divergence_is_reported_with_both_lines() -> None:
    fault = ("squares = simd_sum(squares);", "if (lane < 31)\n        squares = simd_sum(squares);")
    with pytest.raises(ShaderError, match=r"norm_rows diverges.*simd_sum in rows\.metal:\d+, but.*rows\.metal:\d+"):
        cases.CASES["norm_rows"](fault=fault)
