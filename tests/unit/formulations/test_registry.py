import inspect
import math
from dataclasses import replace

import numpy as np
import pytest

from cestab.errors import UsageError
from cestab.formulations import FORMULATIONS, families, find_formulation
from cestab.formulations.registry import Formulation, Fused, formulation
from cestab.numerics.arithmetic import Arithmetic
from cestab.numerics.formats import FORMATS
from cestab.numerics.operations import exp, max_over_classes
from cestab.numerics.tape import Array, sum_over_classes
from cestab.numerics.target import IndexTarget, Target
from cestab.vocabulary.loss_options import LossOptions
from cestab.vocabulary.objectives import (
    BINARY_CROSS_ENTROPY,
    FOCAL_LOSS,
    SIGMOID_MEAN_SQUARED_ERROR,
    SOFTMAX_CROSS_ENTROPY,
    SOFTMAX_MEAN_SQUARED_ERROR,
    Z_LOSS,
)

SOFTMAX = (
    "naive",
    "softmax-log",
    "clipped",
    "log-eps",
    "unshifted-lse",
    "log-sum-exp",
    "log-softmax",
    "online",
    "compensated",
)
BINARY = ("sigmoid-naive", "sigmoid-clipped", "sigmoid-clamped-log", "bce-with-logits", "sigmoid-compensated")
FOCAL = ("focal-naive", "focal-log-softmax")


def message_of(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        find_formulation(text)
    return str(caught.value)


def test_families_list_every_formulation_in_the_order_of_registration() -> None:
    assert families() == {
        SOFTMAX_CROSS_ENTROPY: SOFTMAX,
        BINARY_CROSS_ENTROPY: BINARY,
        FOCAL_LOSS: FOCAL,
        Z_LOSS: ("z-loss-log-sum-exp",),
        SOFTMAX_MEAN_SQUARED_ERROR: ("softmax-squared-error",),
        SIGMOID_MEAN_SQUARED_ERROR: ("sigmoid-squared-error",),
    }
    assert set(FORMULATIONS) == {name for names in families().values() for name in names}


@pytest.mark.parametrize("name", FORMULATIONS)
def test_a_formulation_has_a_one_line_summary_and_a_source(name: str) -> None:
    found = find_formulation(name)
    assert found.name == name
    assert found.parameters == {}
    assert found.summary
    assert "\n" not in found.summary
    assert found.source


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("clipped:eps=1e-8", {"eps": 1e-8}),
        ("clipped:bounds=closed", {"bounds": "closed"}),
        ("clipped:eps=0.001,bounds=open", {"eps": 0.001, "bounds": "open"}),
        ("clipped:eps=0", {"eps": 0.0}),
        ("log-eps:eps=.25", {"eps": 0.25}),
        ("online:chunk=1", {"chunk": 1}),
        ("sigmoid-clipped:eps=1e-7", {"eps": 1e-7}),
    ],
)
def test_parameters_are_read_and_the_name_stays_as_written(text: str, parameters: dict[str, object]) -> None:
    found = find_formulation(text)
    assert (found.name, found.parameters) == (text, parameters)
    assert FORMULATIONS[text.partition(":")[0]].parameters == {}, "the registered entry is left alone"
    assert all(type(found.parameters[key]) is type(value) for key, value in parameters.items())


@pytest.mark.parametrize("value", ["-1", "0.5", "nan", "inf", "-inf", "x", "", "1e400"])
def test_an_epsilon_is_a_number_from_0_up_to_a_half(value: str) -> None:
    assert message_of(f"clipped:eps={value}") == f"eps={value} is not a number from 0 up to 0.5"


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "x", ""])
def test_a_chunk_is_a_whole_number_of_at_least_1(value: str) -> None:
    assert message_of(f"online:chunk={value}") == f"chunk={value} is not a whole number of at least 1"


def test_a_choice_is_one_of_those_declared() -> None:
    assert message_of("clipped:bounds=foo") == "unknown value of bounds 'foo' (known: open, closed)"
    assert "did you mean closed?" in message_of("clipped:bounds=close")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("focal-naive:gamma=9", "gamma=9.0 is not a number from 0 to 8"),
        ("focal-naive:gamma=-1", "gamma=-1.0 is not a number from 0 to 8"),
        ("focal-naive:gamma=nan", "gamma=nan is not a number from 0 to 8"),
        ("focal-naive:gamma=x", "gamma=nan is not a number from 0 to 8"),
        ("z-loss-log-sum-exp:z_weight=2", "z_weight=2.0 is not a number from 0 to 1"),
    ],
)
def test_an_option_of_the_objective_has_its_range(text: str, sentence: str) -> None:
    assert message_of(text) == sentence


def test_options_are_those_given_or_by_default() -> None:
    assert find_formulation("focal-naive").options == LossOptions(gamma=2.0)
    assert find_formulation("focal-naive:gamma=0.5").options == LossOptions(gamma=0.5)
    assert find_formulation("z-loss-log-sum-exp").options == LossOptions(z_weight=1e-4)
    assert find_formulation("clipped:eps=1e-8").options == LossOptions()


def test_a_formulation_takes_the_options_of_another() -> None:
    focal = find_formulation("focal-log-softmax")
    other = focal.with_options(LossOptions(gamma=0.5))
    assert other is not None
    assert (other.name, other.options) == ("focal-log-softmax:gamma=0.5", LossOptions(gamma=0.5))
    assert find_formulation(other.name) == other
    assert focal.with_options(focal.options) == replace(focal, parameters={"gamma": 2.0})
    assert focal.with_options(LossOptions(label_smoothing=0.1)) is None


def test_a_list_is_told_to_repeat_the_option() -> None:
    assert message_of("naive,clipped") == "'naive,clipped' looks like a list; repeat the option: -f naive -f clipped"
    assert message_of("clipped:eps=1e-8,naive").endswith("repeat the option: -f clipped:eps=1e-8 -f naive")


def test_an_unknown_name_or_parameter_suggests_the_nearest() -> None:
    assert message_of("niave").startswith("unknown formulation 'niave'; did you mean naive? (known: ")
    assert message_of("clipped:ep=1") == "unknown parameter of clipped 'ep'; did you mean eps? (known: eps, bounds)"
    assert message_of("online:eps=1").startswith("unknown parameter of online 'eps' (known: chunk)")
    assert message_of("naive:eps=1") == "formulation 'naive' has no parameters, so 'eps=1' means nothing"


def test_defaults_are_those_of_the_recipe() -> None:
    defaults = {name: parameter.default for name, parameter in find_formulation("clipped").defaults().items()}
    assert defaults == {"eps": 1e-7, "bounds": "open"}
    assert find_formulation("naive").defaults() == {}
    assert all(p.default is not inspect.Parameter.empty for f in FORMULATIONS.values() for p in f.defaults().values())


def losses(name: str, dtype: str, t: float) -> tuple[float, list[float]]:
    """Loss and gradient at logits [t, 0] with the second class as target."""
    fmt = FORMATS[dtype]
    with np.errstate(all="ignore"):
        loss, gradient = find_formulation(name).evaluate(
            np.array([[t], [0.0]], dtype=fmt.storage), IndexTarget(index=np.array([1])), Arithmetic(fmt=fmt), 1.0
        )
    return float(loss[0]), gradient[:, 0].tolist()


def test_an_epsilon_that_rounds_to_0_protects_nothing() -> None:
    loss, gradient = losses("clipped:eps=1e-8", "float16", 20.0)
    assert loss == math.inf
    assert gradient == [0.0, 0.0]
    assert losses("clipped:eps=1e-7", "float16", 20.0)[0] < 16
    assert losses("log-eps:eps=1e-8", "float16", 20.0)[0] == math.inf
    assert losses("log-eps:eps=1e-7", "float16", 20.0)[0] < 16
    assert losses("log-eps:eps=0", "float32", 110.0)[0] == math.inf


def test_an_upper_bound_that_rounds_to_1_clips_nothing_from_above() -> None:
    """In float32 1 − 1e-8 is 1: a confident prediction of the true class has loss 0, not 1e-8."""
    right = -50.0
    assert losses("clipped:eps=1e-8", "float32", right)[0] == 0.0
    assert losses("clipped:eps=1e-8", "float64", right)[0] == pytest.approx(1e-8, rel=1e-7)
    assert losses("clipped:eps=1e-7", "float32", right)[0] == pytest.approx(2.0**-23, rel=1e-6), "1 − 1e-7 rounds to 1 − 2^-23"


def test_registration_names_a_recipe_with_dashes(monkeypatch: pytest.MonkeyPatch) -> None:
    entries: dict[str, Formulation] = {}
    for module in ("registry", "parameters"):
        monkeypatch.setattr(f"cestab.formulations.{module}.FORMULATIONS", entries)

    @formulation(SOFTMAX_CROSS_ENTROPY, source="a test")
    def twice_the_peak(z: Array, _: Target, *, eps: float = 0.25) -> Fused:
        """2·max z + eps, gradient Σ exp z."""
        return Fused(max_over_classes(z) * 2.0 + eps, sum_over_classes(exp(z)))

    assert families()[SOFTMAX_CROSS_ENTROPY] == ("twice-the-peak",)
    found = find_formulation("twice-the-peak:eps=0.125")
    assert twice_the_peak is found.recipe
    assert found.summary == "2·max z + eps, gradient Σ exp z."
    logits, target = np.zeros((3, 2), dtype=np.float32), IndexTarget(index=np.zeros(2, dtype=np.intp))
    loss, gradient = found.evaluate(logits, target, Arithmetic(fmt=FORMATS["float32"]), 4.0)
    assert loss.tolist() == [0.125, 0.125], "upstream multiplies the gradient only"
    assert gradient.tolist() == [12.0, 12.0]
