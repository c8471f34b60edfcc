"""Target kinds: which class, how much weight, and what is refused."""

import numpy as np
import pytest

from cestab.cases.target_kinds import TARGET_KINDS, expand_target, make_target
from cestab.errors import UsageError
from cestab.numerics.formats import FORMATS
from cestab.numerics.target import DenseTarget, IndexTarget
from cestab.vocabulary.objectives import BINARY_CROSS_ENTROPY, SOFTMAX_CROSS_ENTROPY, Objective

SOFTMAX, BINARY = SOFTMAX_CROSS_ENTROPY, BINARY_CROSS_ENTROPY
INF = np.inf
LOGITS = np.array([[0.0, 3.0, 1.0, 0.0], [2.0, 3.0, -1.0, 0.0], [2.0, -5.0, -1.0, 0.0], [-INF, -INF, -INF, -INF]])


def index_of(text: str, logits: np.ndarray[tuple[int, int], np.dtype[np.float64]] = LOGITS) -> list[int]:
    target = make_target(text, logits, FORMATS["float64"], SOFTMAX)
    assert isinstance(target, IndexTarget)
    return [int(j) for j in target.index]


def weights_of(text: str, dtype: str = "float64", objective: Objective = SOFTMAX) -> list[list[float]]:
    logits = LOGITS if objective is SOFTMAX else np.array([[-2.0, 0.0, 5.0]])
    target = make_target(text, logits, FORMATS[dtype], objective)
    assert isinstance(target, DenseTarget)
    assert target.weights.shape == logits.shape
    return [[float(y) for y in column] for column in target.weights.T]


def test_correct_is_the_first_of_the_largest() -> None:
    assert index_of("correct") == [1, 0, 0, 0]


def test_wrong_is_the_last_of_the_smallest_unmasked() -> None:
    assert index_of("wrong") == [0, 2, 2, 2]


def test_ties_hold_for_many_classes_too() -> None:
    logits = np.zeros((40, 1))
    logits[[3, 30]], logits[[5, 20]], logits[[39]] = 1.0, -1.0, -INF
    assert (index_of("correct", logits), index_of("wrong", logits)) == ([3], [20])


@pytest.mark.parametrize("kind", ["correct", "wrong"])
def test_one_hot_is_the_index_as_weights(kind: str) -> None:
    expected = np.eye(4)[index_of(kind)]
    assert weights_of(f"one-hot-{kind}") == expected.tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("uniform", [[1 / 3, 1 / 3, 1 / 3, 0]] * 4),
        ("smooth:0.75", [[0.25, 0.5, 0.25, 0], [0.5, 0.25, 0.25, 0], [0.5, 0.25, 0.25, 0], [0.5, 0.25, 0.25, 0]]),
        ("soft:0.5", [[0.25, 0.5, 0.25, 0], [0.5, 0.25, 0.25, 0], [0.5, 0.25, 0.25, 0], [0.5, 0.25, 0.25, 0]]),
        ("soft:1", [[0, 1, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]]),
        ("smooth:0", [[0, 1, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]]),
    ],
)
def test_dense_targets_are_spread_over_unmasked_classes(text: str, expected: list[list[float]]) -> None:
    assert weights_of(text) == expected


@pytest.mark.parametrize("text", ["uniform", "smooth:0.1", "soft:0.9", "one-hot-wrong"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "float8_e4m3fn"])
def test_weights_are_of_the_format_and_sum_to_1_within_their_rounding(text: str, dtype: str) -> None:
    """Each of the weights is rounded once: Σ u·y + half a subnormal each."""
    fmt = FORMATS[dtype]
    for column in weights_of(text, dtype):
        assert abs(sum(column) - 1) <= fmt.unit_roundoff + 2 * fmt.smallest_subnormal
        assert min(column) >= 0


def test_a_single_unmasked_class_takes_all() -> None:
    logits = np.array([[1.0], [-INF]])
    for text in ("soft:0.9", "uniform", "smooth:0.1"):
        target = make_target(text, logits, FORMATS["float64"], SOFTMAX)
        assert isinstance(target, DenseTarget)
        assert target.weights[:, 0].tolist() == [1.0, 0.0]


@pytest.mark.parametrize(("text", "expected"), [("correct", [0, 1, 1]), ("wrong", [1, 0, 0]), ("soft:0.25", [0.25] * 3)])
def test_binary_labels(text: str, expected: list[float]) -> None:
    """x = −2, 0, 5; x = 0 counts as y = 1 for `correct`."""
    assert [y for (y,) in weights_of(text, objective=BINARY)] == expected


def test_labels_across_a_range() -> None:
    labels = list(expand_target("soft:0:1:11", BINARY))
    assert labels == ["soft:0.0", *(f"soft:0.{k}" for k in range(1, 10)), "soft:1.0"]
    assert list(expand_target("soft:0.2:0.4:3", BINARY)) == ["soft:0.2", "soft:0.3", "soft:0.4"]


@pytest.mark.parametrize("kind", TARGET_KINDS.values())
def test_a_kind_is_itself_when_expanded(kind: object) -> None:
    name, has_number = getattr(kind, "name", ""), getattr(kind, "has_number", False)
    text = f"{name}:0.3" if has_number else name
    assert list(expand_target(text, SOFTMAX)) == [text]


@pytest.mark.parametrize(
    ("text", "objective", "part"),
    [
        ("corect", SOFTMAX, "did you mean correct"),
        ("correct:1", SOFTMAX, "takes no number"),
        ("smooth", SOFTMAX, "e.g. smooth:0.1"),
        ("soft", SOFTMAX, "e.g. soft:0.9"),
        ("smooth:1.5", SOFTMAX, "from 0 to 1"),
        ("smooth:-0.1", SOFTMAX, "from 0 to 1"),
        ("smooth:nan", SOFTMAX, "from 0 to 1"),
        ("soft:x", SOFTMAX, "from 0 to 1"),
        ("soft:0:1:11", SOFTMAX, "from 0 to 1"),
        ("soft:0:2:3", BINARY, "LO:HI:N"),
        ("soft:0:1:-3", BINARY, "LO:HI:N"),
        ("uniform", BINARY, "correct, wrong, soft"),
        ("smooth:0.1", BINARY, "correct, wrong, soft"),
    ],
)
def test_what_is_no_target_is_refused(text: str, objective: Objective, part: str) -> None:
    with pytest.raises(UsageError) as refused:
        list(expand_target(text, objective))
    assert part in str(refused.value)
