"""Patterns: shapes, values from their definition, determinism, what is dropped."""

import numpy as np
import pytest

from cestab.cases.patterns import PATTERNS, find_pattern, has_truth, make_logits
from cestab.errors import UsageError
from cestab.numerics.formats import FORMATS
from cestab.numerics.rounding import FloatArray, round_to_format

INF = np.inf


def logits_of(name: str, t: list[float], classes: int, dtype: str = "float64", seed: int = 0) -> FloatArray:
    fmt = FORMATS[dtype]
    return make_logits(PATTERNS[name], np.array(t, dtype=fmt.storage), classes, seed, fmt)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("margin", [[2, -4], [0, 0], [0, 0], [0, 0], [0, 0]]),
        ("offset", [[2, -4], [1, -5], [0, -6], [-1, -7], [-2, -8]]),
        ("spread", [[-2, 4], [-1, 2], [0, 0], [1, -2], [2, -4]]),
        ("equal", [[2, -4]] * 5),
        ("masked", [[2, -4], [0, 0], [0, 0], [0, 0], [-INF, -INF]]),
        ("masked-first", [[-INF, -INF], [2, -4], [0, 0], [0, 0], [0, 0]]),
        ("masked-all-but-one", [[2, -4], *([[-INF, -INF]] * 4)]),
    ],
)
def test_values_are_those_of_the_definition(name: str, expected: list[list[float]]) -> None:
    assert logits_of(name, [2.0, -4.0], 5).tolist() == expected


def test_offset_repeats_its_spread() -> None:
    expected = [3.0, 2.0, 1.0, 0.0, -1.0, -2.0, -3.0, -4.0]
    assert logits_of("offset", [3.0], 20)[:, 0].tolist() == [*expected, *expected, *expected[:4]]


@pytest.mark.parametrize(("classes", "masks"), [(2, 1), (3, 1), (7, 1), (8, 2), (40, 10)])
def test_a_quarter_of_the_classes_is_masked(classes: int, masks: int) -> None:
    logits = logits_of("masked", [1.0], classes)[:, 0]
    assert np.isneginf(logits).tolist() == [False] * (classes - masks) + [True] * masks
    logits = logits_of("masked-first", [1.0], classes)[:, 0]
    assert np.isneginf(logits).tolist() == [True] * masks + [False] * (classes - masks)


def test_gaussian_is_one_seeded_vector_times_t() -> None:
    logits = logits_of("gaussian", [1.0, 3.0, -2.0], 1000, seed=4)
    np.testing.assert_array_equal(logits[:, 1], 3 * logits[:, 0])
    np.testing.assert_array_equal(logits[:, 2], -2 * logits[:, 0])
    assert abs(logits[:, 0].mean()) < 4 / np.sqrt(1000)
    assert abs(logits[:, 0].std() - 1) < 4 / np.sqrt(2000)
    assert not np.array_equal(logits, logits_of("gaussian", [1.0, 3.0, -2.0], 1000, seed=5))


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("classes", [2, 5])
def test_logits_are_numbers_of_the_format_and_the_same_each_time(name: str, dtype: str, classes: int) -> None:
    t = [0.0, 0.375, -1.5, 3.0]
    logits = logits_of(name, t, classes, dtype)
    assert logits.shape == (classes, len(t))
    assert logits.dtype == FORMATS[dtype].storage
    np.testing.assert_array_equal(logits, round_to_format(logits, FORMATS[dtype]))
    np.testing.assert_array_equal(logits, logits_of(name, t, classes, dtype))
    for case, magnitude in enumerate(t):  # a case does not depend on its neighbours in the block
        np.testing.assert_array_equal(logits[:, [case]], logits_of(name, [magnitude], classes, dtype))


def test_patterns_say_what_they_are() -> None:
    assert set(PATTERNS) == {"margin", "offset", "spread", "equal", "gaussian", "masked", "masked-first", "masked-all-but-one"}
    assert [name for name, p in PATTERNS.items() if p.is_masking] == ["masked", "masked-first", "masked-all-but-one"]
    assert all(p.summary for p in PATTERNS.values())


def test_an_unknown_pattern_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean margin"):
        find_pattern("marjin")


def test_logits_beyond_the_format_are_told_apart() -> None:
    logits = logits_of("gaussian", [-65504.0, 1.0], 40, "float16")
    assert np.isneginf(logits[:, 0]).any()
    assert has_truth(logits, masks=False).tolist() == [False, True]


def test_masks_are_allowed_where_asked_but_not_everywhere_in_a_case() -> None:
    logits = np.array([[1.0, -INF, -INF, np.nan, INF], [0.0, 2.0, -INF, 1.0, 0.0]])
    assert has_truth(logits, masks=True).tolist() == [True, True, False, False, False]
    assert has_truth(logits, masks=False).tolist() == [True, False, False, False, False]
