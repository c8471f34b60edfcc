"""The page without a case: its numbers in every format, against closed forms in double precision."""

import io
import math

import numpy as np
import pytest

from cestab.commands.explain import walkthrough_page
from cestab.commands.explain.walkthrough import DTYPES, Columns, compute_walkthrough
from cestab.errors import UsageError

# from NumPy: the first whole t at which 1 + exp(−t) is 1, exp(t) is beyond the format, and exp(−t) is 0 in it
EDGES = {"float16": (8, 12, 18), "bfloat16": (6, 89, 93), "float32": (17, 89, 104), "float64": (37, 710, 746)}


def _column(table: Columns, name: str, at: str = "t") -> dict[int, float]:
    return {int(t): float(number) for t, number in zip(table[at], table[name], strict=True)}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_edges_are_those_of_numpy(dtype: type[np.floating]) -> None:
    t = np.arange(1, 800).astype(dtype)
    with np.errstate(over="ignore", under="ignore"):
        tests = (1 + np.exp(-t) == 1, np.isinf(np.exp(t)), np.exp(-t) == 0)
    assert EDGES[dtype.__name__] == tuple(int(t[test][0]) for test in tests)


@pytest.mark.parametrize("dtype", DTYPES)
def test_edges_are_those_of_the_table(dtype: str) -> None:
    edges = compute_walkthrough(dtype).edges
    assert (edges.absorption, edges.overflow, edges.underflow) == EDGES[dtype]


@pytest.mark.parametrize("dtype", DTYPES)
def test_truths_are_the_closed_forms(dtype: str) -> None:
    page = compute_walkthrough(dtype)
    for t, truth in _column(page.losing_gradients, "truth").items():
        assert truth == pytest.approx(-1 / (1 + math.exp(-t)), rel=1e-4)
    for t, truth in _column(page.losing_gradients, "its truth").items():
        p = math.exp(-t) / (1 + math.exp(-t))
        assert truth == pytest.approx(-2 * p * (1 - p) ** 2, rel=1e-4, abs=5e-324)
    for table, at in ((page.winning, "t"), (page.binary, "x")):
        for t, truth in _column(table, "truth", at).items():
            assert truth == pytest.approx(-math.exp(-t) / (1 + math.exp(-t)), rel=1e-4, abs=5e-324)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_text_says_what_the_numbers_show(dtype: str) -> None:
    absorption, overflow, underflow = EDGES[dtype]
    page = compute_walkthrough(dtype)
    losing, wins = page.losing_gradients, page.winning
    for t, slope in _column(page.losing, "−1/p").items():
        assert math.isinf(slope) == (t >= overflow)
    for t, p in _column(page.losing, "p").items():
        assert (p == 0) == (t >= underflow)
    chain, clipped, fused = (_column(losing, name) for name in ("chain rule", "clipped", "fused"))
    assert [math.isnan(g) for g in chain.values()] == [t >= overflow for t in chain]
    assert [g == 0 for g in clipped.values()] == [t >= 17 for t in clipped]
    assert all(g == pytest.approx(-1, abs=0.3) for g in fused.values())
    chain, fused = (_column(wins, name) for name in ("chain rule", "fused"))
    assert [math.isnan(g) for g in chain.values()] == [t >= underflow for t in chain]
    assert [g == 0 for g in fused.values()] == [t >= absorption for t in fused]
    left = _column(page.binary, "1 − p", "x")
    assert [math.isnan(g) for g in _column(page.binary, "chain rule", "x").values()] == [rest == 0 for rest in left.values()]
    assert math.isnan(_column(page.binary, "(1−y)/(1−p)", "x")[40])


def test_in_float16_the_clip_does_not_keep_the_slope_finite() -> None:
    pages = {dtype: walkthrough_page.render(compute_walkthrough(dtype), io.StringIO()) for dtype in DTYPES}
    assert [dtype for dtype, page in pages.items() if "does not even keep −1/p finite" in page] == ["float16"]


def test_a_format_without_infinity_has_no_page() -> None:
    with pytest.raises(UsageError, match="float16, bfloat16, float32, float64, not float8_e4m3fn"):
        compute_walkthrough("float8_e4m3fn")
