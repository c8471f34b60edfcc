"""Evaluating a NumPy target on a block: what the function is given, what becomes of what it returns."""

from typing import Any

import mpmath
import numpy as np
import pytest
from numpy_losses import DATA, FORMAT_NAMES, INDEX, LOGITS, Calls, evaluate, exact_loss, recorded, target_of, work_of

from cestab.errors import UsageError
from cestab.external.engines.base import ExternalError, Numbers, UnsupportedError
from cestab.external.evaluation import MOST_NUMBERS
from cestab.external.loading import load
from cestab.external.loss_options import read_options
from cestab.external.names import parse_external_name
from cestab.numerics.formats import FORMATS
from cestab.numerics.rounding import round_to_format
from cestab.numerics.target import DenseTarget, IndexTarget
from cestab.vocabulary.external import GradientSource
from cestab.vocabulary.kinds import Summation


@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_a_function_gets_rows_in_the_format_and_its_results_come_back_exactly(name: str) -> None:
    calls: Calls = []
    fmt = FORMATS[name]
    loss, gradient = evaluate(recorded(calls, lambda z, _: (z[:, 1], z)), work_of(dtype=name))
    ((z, y),) = calls
    assert (z.dtype, y.dtype) == (np.dtype(fmt.dtype), np.dtype(np.int64))
    assert (z.shape, y.shape) == ((5, 3), (5,))
    assert z.astype(np.float64).T.tolist() == round_to_format(LOGITS, fmt).tolist()
    assert y.tolist() == INDEX.tolist()
    assert loss.tolist() == round_to_format(LOGITS, fmt)[1].tolist()
    assert gradient is not None
    assert gradient.tolist() == round_to_format(LOGITS, fmt).tolist()
    assert loss.dtype == gradient.dtype == fmt.storage


@pytest.mark.parametrize("classes", [1, 2, 7, 8, 9, 64, 65, 200])
def test_the_rows_of_any_number_of_classes_are_its_cases(classes: int) -> None:
    calls: Calls = []
    logits = np.random.default_rng(3).standard_normal((classes, 5)).astype(np.float32)
    target = DenseTarget(weights=np.full((classes, 5), 1 / classes))
    evaluate(recorded(calls, lambda z, _: z.reshape(5, -1)[:, 0]), work_of(target, logits=logits))
    ((z, weights),) = calls
    assert z.tolist() == (logits[0] if classes == 1 else logits.T).tolist()
    assert weights.shape == ((5,) if classes == 1 else (5, classes))


@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_a_sound_loss_is_near_the_textbook(name: str) -> None:
    fmt = FORMATS[name]
    loss, gradient = evaluate(load(f"{DATA}:stable"), work_of(dtype=name))
    exact = exact_loss(round_to_format(LOGITS, fmt))
    slack = 16 * fmt.unit_roundoff  # a sum of 3, logits up to 8
    assert np.abs(loss - exact[0]).max() <= slack * 8
    assert gradient is not None
    assert np.abs(gradient - exact[1]).max() <= slack


def test_weights_are_given_in_the_format_and_indices_as_one_hot_where_asked_for() -> None:
    calls: Calls = []
    weights = np.array([[0.25, 1.0, 0.0, 0.5, 0.5]] * 3)
    evaluate(recorded(calls), work_of(DenseTarget(weights=weights), dtype="float16"))
    evaluate(recorded(calls), work_of(dtype="bfloat16"), "target=one-hot")
    (_, dense), (_, one_hot) = calls
    assert (dense.dtype.name, dense.tolist()) == ("float16", weights.T.tolist())
    assert one_hot.dtype == FORMATS["bfloat16"].dtype
    assert one_hot.astype(np.float64).tolist() == np.eye(3)[INDEX].tolist()


def test_one_hot_targets_of_very_many_classes_need_no_more_than_their_rows() -> None:
    """A square of 300,000 classes would be 720 GB."""
    calls: Calls = []
    logits, index = np.zeros((300_000, 2)), np.array([299_999, 7])
    evaluate(recorded(calls), work_of(IndexTarget(index=index), logits=logits), "target=one-hot,rows=2")
    ((_, weights),) = calls
    assert [np.flatnonzero(row).tolist() for row in weights] == [[299_999], [7]]
    assert weights.sum() == 2


def test_a_dense_target_is_unsupported_where_indices_are_taken() -> None:
    with pytest.raises(UnsupportedError, match="f takes class indices, no dense target"):
        evaluate(recorded([]), work_of(DenseTarget(weights=np.full((3, 5), 1 / 3))), "target=index")


def test_a_binary_target_is_a_vector_of_logits_and_one_of_labels() -> None:
    x, y = np.array([[-3.0, 0.0, 2.0, 30.0]]), np.array([[0.0, 0.5, 1.0, 1.0]])
    calls: Calls = []
    evaluate(recorded(calls, lambda z, _: z), work_of(DenseTarget(weights=y), logits=x))
    assert [array.tolist() for array in calls[0]] == [x[0].tolist(), y[0].tolist()]
    loss, gradient = evaluate(load(f"{DATA}:binary"), work_of(DenseTarget(weights=y), logits=x, dtype="float64"))
    p = 1 / (1 + np.exp(-x))
    assert gradient is not None
    assert gradient.shape == (1, 4)
    assert np.allclose(gradient, p - y, rtol=0, atol=1e-15)
    assert np.allclose(loss, -(y * np.log(p) + (1 - y) * np.log1p(-p))[0], rtol=1e-14, atol=1e-14)


def test_rows_says_how_many_rows_a_call_gets_and_the_last_row_fills_it_up() -> None:
    calls: Calls = []
    ticks: list[None] = []
    loss, _ = target_of(recorded(calls), "rows=2").evaluate(work_of(), lambda: ticks.append(None))
    assert [z.shape for z, _ in calls] == [(2, 3)] * 3
    assert calls[2][0][:, 0].tolist() == [3.0, 3.0], "the fifth row twice"
    assert calls[2][1].tolist() == [0, 0]
    assert loss.tolist() == LOGITS[0].tolist()
    assert len(ticks) == 3


@pytest.mark.parametrize("rows", ["0", "-1", "1.5", "many", ""])
def test_rows_is_a_whole_number_of_at_least_1(rows: str) -> None:
    with pytest.raises(UsageError, match="is not a whole number of at least 1"):
        evaluate(recorded([]), None, f"rows={rows}")


def test_a_call_gets_no_more_numbers_than_stay_in_cache() -> None:
    calls: Calls = []
    cases = 3 * MOST_NUMBERS // 1000
    logits = np.arange(1000.0 * cases).reshape(1000, cases) / 1e6
    loss, _ = evaluate(recorded(calls), work_of(IndexTarget(index=np.zeros(cases, dtype=np.intp)), logits=logits))
    assert len(calls) == 4
    assert max(z.size for z, _ in calls) <= MOST_NUMBERS
    assert loss.tolist() == logits[0].astype(np.float32).tolist()


@pytest.mark.parametrize("rows", ["", "rows=2"])
def test_a_function_that_reduces_gets_one_row_a_call(rows: str) -> None:
    """The mean of all rows and the gradient of it: of one row, these are its own."""
    calls: Calls = []

    def reduce(z: Numbers, target: Numbers) -> Any:
        loss, gradient = exact_loss(z.T, target)
        return loss.mean(), gradient.T / len(z)

    found = target_of(recorded(calls, reduce), rows)
    loss, gradient = found.evaluate(work_of(dtype="float64"), lambda: None)
    assert [len(z) for z, _ in calls][1:] == [1] * 5
    exact = exact_loss()
    assert np.allclose(loss, exact[0], rtol=1e-15)
    assert gradient is not None
    assert np.allclose(gradient, exact[1], rtol=0, atol=1e-15)
    found.evaluate(work_of(dtype="float64"), lambda: None)
    assert [len(z) for z, _ in calls][6:] == [1] * 5, "it is not tried with many rows again"


@pytest.mark.parametrize("option", ["weight=0.2:0.8", "ignore_index=1"])
def test_a_mean_of_its_own_over_weighted_or_ignored_rows_is_not_guessed(option: str) -> None:
    """Over a single row it divides the weight out, and the loss of an ignored one is 0/0."""
    options = read_options(parse_external_name(f"python:m.f:{option}"))
    with pytest.raises(UnsupportedError, match="use --batch N"):
        evaluate(lambda z, _: z[:, 0].mean(), work_of(options=options), option)


def test_a_plain_number_is_a_loss_of_one_row() -> None:
    loss, gradient = evaluate(lambda z, _: float(z[0, 0]))
    assert (loss.tolist(), gradient) == (LOGITS[0].tolist(), None)


def test_the_order_follows_the_names_of_the_parameters_and_can_be_declared() -> None:
    def swapped(y_true: Numbers, y_pred: Numbers) -> Any:
        return exact_loss(y_pred.T, y_true)[0]

    def plain(a: Numbers, b: Numbers) -> Any:
        return exact_loss(b.T, a)[0]

    exact = exact_loss()[0].tolist()
    assert evaluate(swapped, work_of(dtype="float64"))[0].tolist() == exact
    assert evaluate(plain, work_of(dtype="float64"), "order=target-first")[0].tolist() == exact


def test_a_class_is_made_an_instance_with_its_parameters_and_called_by_the_names_of_its_call() -> None:
    exact = exact_loss()
    loss, gradient = evaluate(load(f"{DATA}:Scaled"), work_of(dtype="float64"), "factor=2")
    assert np.allclose(loss, 2 * exact[0], rtol=1e-14)
    assert gradient is not None
    assert np.allclose(gradient, 2 * exact[1], rtol=0, atol=1e-14)
    loss, _ = evaluate(load(f"{DATA}:SCALED"), work_of(dtype="float64"))
    assert np.allclose(loss, exact[0], rtol=1e-14), "an instance is a function"


def test_an_instance_is_called_by_the_names_of_its_forward() -> None:
    class Module:
        def __call__(self, *given: Any) -> Any:
            return self.forward(*given)

        def forward(self, target: Numbers, logits: Numbers) -> Any:
            return logits[np.arange(len(target)), target]

    expected = LOGITS[INDEX, np.arange(INDEX.size)].tolist()
    assert evaluate(Module())[0].tolist() == expected
    assert evaluate(Module)[0].tolist() == expected


def test_entries_are_averaged_over_the_classes_and_log_probabilities_picked_from() -> None:
    loss, _ = evaluate(lambda z, _: z * z, work_of(dtype="float64"), "output=elementwise")
    assert loss.tolist() == (LOGITS**2).mean(axis=0).tolist()
    log_p = np.log(np.exp(LOGITS) / np.exp(LOGITS).sum(axis=0))

    def log_softmax(z: Numbers) -> Any:
        return np.log(np.exp(z) / np.exp(z).sum(axis=1, keepdims=True))

    loss, gradient = evaluate(log_softmax, work_of(dtype="float64"), "output=log-probabilities")
    assert np.allclose(loss, -log_p[INDEX, np.arange(5)], rtol=1e-14)
    assert gradient is None
    weights = np.array([[0.5, 1.0, 0.0, 0.25, 0.0], [0.5, 0.0, 1.0, 0.25, 0.0], [0.0, 0.0, 0.0, 0.5, 1.0]])
    loss, _ = evaluate(log_softmax, work_of(DenseTarget(weights=weights), dtype="float64"), "output=log-probabilities")
    assert np.allclose(loss, -(weights * log_p).sum(axis=0), rtol=1e-14)


@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_the_upstream_factor_multiplies_the_gradient_in_its_format_and_not_the_loss(name: str) -> None:
    fmt = FORMATS[name]
    loss, gradient = evaluate(lambda z, _: (z[:, 0], z), work_of(dtype=name, upstream=4.0))
    rounded = round_to_format(LOGITS, fmt)
    assert loss.tolist() == rounded[0].tolist()
    assert gradient is not None
    assert gradient.tolist() == (4.0 * rounded).tolist()
    _, gradient = evaluate(lambda z, _: (z[:, 0], z), work_of(logits=LOGITS / 3, dtype=name, upstream=1.5))
    assert gradient is not None
    expected = round_to_format(1.5 * round_to_format(LOGITS / 3, fmt).astype(np.float64), fmt)
    assert gradient.tolist() == expected.tolist(), "1.5·g is exact in float64"


def test_whole_numbers_are_numbers_too_and_wider_ones_stay_as_wide() -> None:
    loss, gradient = evaluate(lambda z, _: (np.arange(len(z)), np.ones(z.shape, dtype=np.int32)), work_of(upstream=0.5))
    assert loss.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert gradient is not None
    assert gradient.tolist() == np.full((3, 5), 0.5).tolist()
    third = np.full(5, 1 / 3)
    loss, _ = evaluate(lambda _z, _t: third, work_of(dtype="float16"))
    assert loss.tolist() == third.tolist(), "rounded where it is compared"
    loss, _ = evaluate(lambda _z, _t: [0.25] * 5)
    assert loss.tolist() == [0.25] * 5


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (None, "it returned NoneType as loss; an array of real numbers is needed"),
        ({"loss": 1.0}, "it returned dict as loss; an array of real numbers is needed"),
        ("0.5", "it returned a loss of type <U3; real numbers are needed"),
        (np.ones(5, dtype=np.complex128), "it returned a loss of type complex128; real numbers are needed"),
        (np.ones(5, dtype=np.bool_), "it returned a loss of type bool; real numbers are needed"),
        ((np.ones(5), None), "it returned NoneType as gradient; an array of real numbers is needed"),
        ((np.ones(5),), "it returned 1 values; a loss, or a loss and its gradient, are needed"),
        ((np.ones(5), np.ones((5, 3)), 0), "it returned 3 values; a loss, or a loss and its gradient, are needed"),
        (np.ones((5, 3)), "it returned a loss of shape (5, 3) for 5 cases of 3 classes; (5,) is needed"),
        (np.ones(3), "it returned a loss of shape (3,) for 5 cases of 3 classes; (5,) is needed"),
        (np.ones(0), "it returned a loss of shape (0,) for 5 cases of 3 classes; (5,) is needed"),
        ((np.ones(5), np.ones((3, 5))), "it returned a gradient of shape (3, 5); (5, 3) is needed"),
        ((np.ones(5), np.ones(5)), "it returned a gradient of shape (5,); (5, 3) is needed"),
        ((np.ones(5), 0.0), "it returned a gradient of shape (); (5, 3) is needed"),
    ],
)
def test_what_is_no_loss_or_gradient_is_told_in_words(result: Any, words: str) -> None:
    with pytest.raises(ExternalError) as caught:
        evaluate(lambda _z, _t: result)
    assert str(caught.value) == words


def test_a_function_may_write_into_the_same_arrays_every_time() -> None:
    loss, gradient = np.empty(1, dtype=np.float32), np.empty((1, 3), dtype=np.float32)

    def reuse(z: Numbers, _: Numbers) -> Any:
        loss[:], gradient[:] = z[:, 0], 2 * z
        return loss, gradient

    own_loss, own_gradient = evaluate(reuse, parameters="rows=1")
    assert own_loss.tolist() == LOGITS[0].tolist()
    assert own_gradient is not None
    assert own_gradient.tolist() == (2 * LOGITS).tolist()


def test_a_loss_may_be_a_column() -> None:
    assert evaluate(lambda z, _: z[:, :1])[0].tolist() == LOGITS[0].tolist()


@pytest.mark.parametrize(
    ("arithmetic", "words"),
    [
        ({"summation": Summation.PAIRWISE}, "the order of its sums is its own, not pairwise"),
        ({"summation": Summation.SEQUENTIAL}, "the order of its sums is its own, not sequential"),
        ({"flush_subnormals": True}, "whether it flushes subnormals is its own"),
    ],
)
def test_what_cannot_be_asked_of_a_target_is_unsupported(arithmetic: dict[str, Any], words: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        evaluate(recorded([]), work_of(**arithmetic))
    assert str(caught.value) == words


def test_facts_tell_what_the_numbers_depend_on() -> None:
    facts = target_of(recorded([])).facts()
    assert (facts.formulation, facts.adapter, facts.device, facts.mode) == ("python:m.f", "python", "cpu", "eager")
    assert facts.versions == (("numpy", np.__version__),)
    assert facts.gradient is GradientSource.OWN
    assert (facts.threads, facts.flushes_subnormals) == (None, None)


@pytest.mark.parametrize("path", ["./losses.py:f", "mpmath.py:f", "deep/er/losses.py:f"])
def test_a_file_has_no_version_whatever_package_its_name_looks_like(path: str) -> None:
    assert [package for package, _ in target_of(recorded([]), path=path).facts().versions] == ["numpy"]


def test_a_module_of_a_package_has_its_version() -> None:
    facts = target_of(recorded([]), path="python:mpmath.f").facts()
    assert facts.versions == (("numpy", np.__version__), ("mpmath", mpmath.__version__))


@pytest.mark.parametrize("kind", ["softmax", "log-softmax", "sigmoid"])
def test_numpy_makes_the_input_and_carries_the_gradient_back(kind: str) -> None:
    """Of x = f(z), the loss Σ x² and its gradient 2x by x; by z differences of f give the same to nine digits."""
    z = np.array([[0.5, -1.0, 2.0], [3.0, 0.0, -0.25]])

    def make(z: Numbers) -> Numbers:
        p = np.exp(z) / np.sum(np.exp(z), axis=1, keepdims=True)
        made: Numbers = {"softmax": p, "log-softmax": np.log(p), "sigmoid": 1 / (1 + np.exp(-z))}[kind]
        return made

    def squares(x: Numbers, _target: Numbers) -> tuple[Numbers, Numbers]:
        return np.sum(x * x, axis=1), 2 * x

    loss, gradient = evaluate(
        squares, work_of(IndexTarget(index=np.array([0, 1])), logits=z.T, dtype="float64"), f"input={kind}"
    )
    np.testing.assert_allclose(loss, np.sum(make(z) ** 2, axis=1), rtol=1e-13)
    assert gradient is not None
    step = 1e-6
    for j in range(3):
        shift = np.zeros(3)
        shift[j] = step
        slope = (np.sum(make(z + shift) ** 2, axis=1) - np.sum(make(z - shift) ** 2, axis=1)) / (2 * step)
        np.testing.assert_allclose(gradient[j], slope, rtol=1e-7, atol=1e-9)
