"""Formulations of users' own, written with `cestab.formulation` on cestab's arrays."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import cestab
from cestab import primitives
from cestab.errors import UsageError
from cestab.formulations import FORMULATIONS, families, find_formulation
from cestab.formulations.registry import ADDED, find_recipe
from cestab.numerics import operations
from cestab.numerics.formats import FORMATS
from cestab.primitives import (
    Array,
    Fused,
    Target,
    exp,
    log,
    max_over_classes,
    pick,
    softmax,
    subtract_target,
    sum_over_classes,
    times_sum,
)
from cestab.vocabulary.kinds import Verdict
from cestab.vocabulary.loss_options import LossOptions
from cestab.vocabulary.objectives import SOFTMAX_CROSS_ENTROPY

DATA = Path(__file__).parents[2] / "data" / "targets.py"


@pytest.fixture(autouse=True)
def _added() -> Iterator[None]:
    """Leave no formulation behind."""
    before = dict(ADDED)
    yield
    ADDED.clear()
    ADDED.update(before)


def chained(z: Array, target: Target) -> Array:
    """Softmax-log by another name."""
    return -pick(log(softmax(z)), target)


def fused_lse(z: Array, target: Target) -> Fused:
    """Log-sum-exp by another name."""
    peak = max_over_classes(z)
    lse = peak + log(sum_over_classes(exp(z - peak)))
    return Fused(times_sum(lse, target) - pick(z, target), subtract_target(times_sum(exp(z - lse), target), target))


def verdicts(name: str, **options: Any) -> list[tuple[Any, ...]]:
    report = cestab.sweep([name], **options)
    return [(r.setting.describe(), r.verdict, r.findings, r.largest_error, r.intervals) for r in report.settings]


@pytest.mark.thorough
@pytest.mark.parametrize(("recipe", "own"), [(chained, "softmax-log"), (fused_lse, "log-sum-exp")])
@pytest.mark.parametrize("summation", ["wide", "pairwise", "sequential"])
def test_a_recipe_is_the_equal_of_cestabs_own_in_every_format_and_target(recipe: Any, own: str, summation: str) -> None:
    """But for the command that shows a case, which has its name."""
    assert cestab.formulation(recipe) is recipe
    name = recipe.__name__.replace("_", "-")
    options: dict[str, Any] = {
        "dtypes": ["float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"],
        "classes": [3],
        "patterns": ["margin", "offset"],
        "targets": ["correct", "wrong", "smooth:0.1"],
        "logits": "-200:200:9",
        "summations": summation,
    }
    theirs, ours = (str(verdicts(each, **options)).replace(f"-f {each} ", "-f NAME ") for each in (name, own))
    assert theirs == ours
    assert "fail" in theirs


def test_it_is_found_by_its_name_and_in_no_family() -> None:
    before = families()
    default = cestab.sweep(dtypes="float16", classes=2, patterns="margin", targets="wrong", logits="-1:1:3")
    cestab.formulation(fused_lse)
    assert families() == before
    assert "fused-lse" not in FORMULATIONS
    found = find_formulation("fused-lse")
    assert find_recipe(fused_lse) == found
    assert (found.name, found.objective, found.recipe) == ("fused-lse", SOFTMAX_CROSS_ENTROPY, fused_lse)
    assert found.source == __name__
    again = cestab.sweep(dtypes="float16", classes=2, patterns="margin", targets="wrong", logits="-1:1:3")
    assert again.to_json() == default.to_json(), "the default sweep is that of the family"


def test_a_name_of_cestabs_own_is_refused_and_leaves_it_alone() -> None:
    def log_sum_exp(z: Array, target: Target) -> Array:
        return pick(z, target)

    before = FORMULATIONS["log-sum-exp"]
    with pytest.raises(UsageError, match="'log-sum-exp' is a formulation of cestab's own; give yours another name"):
        cestab.formulation(log_sum_exp)
    assert find_formulation("log-sum-exp").recipe is before.recipe
    assert "log-sum-exp" not in ADDED


def test_the_last_of_two_of_the_same_name_is_the_one() -> None:
    """As in a notebook, in which a cell is run again."""

    def make(factor: float) -> Callable[..., Array | Fused]:
        def mine(z: Array, target: Target) -> Array:
            return pick(z, target) * factor

        return mine

    first, second = cestab.formulation(make(1.0)), cestab.formulation(make(2.0))
    assert find_formulation("mine").recipe is second is not first


def with_parameters(
    z: Array,
    target: Target,
    *,
    scale: float = 1.0,
    steps: int = 1,
    form: Literal["plain", "twice"] = "plain",
    untyped: Any = 0.5,
) -> Array:
    factor: float = scale * steps * (2.0 if form == "twice" else 1.0) * (untyped / 0.5)
    return -pick(log(softmax(z)), target) * factor


del with_parameters.__annotations__["untyped"]  # as users write


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("with-parameters:scale=4", {"scale": 4.0}),
        ("with-parameters:scale=-1e-3,steps=3", {"scale": -1e-3, "steps": 3}),
        ("with-parameters:form=twice", {"form": "twice"}),
        ("with-parameters:untyped=1", {"untyped": 1.0}),
    ],
)
def test_parameters_are_set_by_name(text: str, parameters: dict[str, object]) -> None:
    cestab.formulation(with_parameters)
    found = find_formulation(text)
    assert (found.name, found.parameters) == (text, parameters)
    assert find_formulation("with-parameters").parameters == {}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("with-parameters:scala=1", "unknown parameter of with-parameters 'scala'; did you mean scale?"),
        ("with-parameters:scale=much", "scale=much is not a number"),
        ("with-parameters:scale=nan", "scale=nan is not a number"),
        ("with-parameters:steps=1.5", "steps=1.5 is not a whole number of at least 1"),
        ("with-parameters:form=thrice", "unknown value of form 'thrice'"),
        ("with-parameters:untyped=x", "untyped=x is not a number"),
    ],
)
def test_wrong_parameters_are_told(text: str, sentence: str) -> None:
    cestab.formulation(with_parameters)
    with pytest.raises(UsageError) as caught:
        find_formulation(text)
    assert str(caught.value).startswith(sentence)


def test_parameters_change_what_is_computed() -> None:
    """2·3·2 times the loss of two equal logits, log 2."""
    cestab.formulation(with_parameters)
    explanation = cestab.explain("with-parameters:scale=2,steps=3,form=twice", logits=[0.0, 0.0], target=0, dtype="float64")
    assert explanation.outcome.loss.value == pytest.approx(12 * np.log(2), rel=1e-15)


def textbook(z: Array, target: Target, *, label_smoothing: float = 0.0, class_weights: Any = ()) -> Array:
    """Smoothed by the definition: (1 − α)·(−log p_t) + α/K·Σ −log p."""
    weight: float = class_weights[0] if class_weights else 1.0
    log_p = log(softmax(z))
    spread = sum_over_classes(log_p) * (label_smoothing / len(z.value))
    return -(pick(log_p, target) * (1.0 - label_smoothing) + spread) * weight


def test_a_parameter_that_is_an_option_of_the_loss_changes_the_truth() -> None:
    """With z = (1, 0), the target 0 and α = 0.3 the loss is log1p(e^−1) + 0.15, and the gradient p − (0.85, 0.15)."""
    cestab.formulation(textbook)
    explanation = cestab.explain("textbook:label_smoothing=0.3", logits=[1.0, 0.0], target=0, dtype="float64")
    assert float(explanation.true_loss) == pytest.approx(np.log1p(np.exp(-1)) + 0.15, rel=1e-9)
    p = 1 / (1 + np.exp(-1))
    assert [float(g) for g in explanation.true_gradient] == pytest.approx([p - 0.85, 0.85 - p], rel=1e-9)
    assert explanation.outcome.findings == ()
    options: dict[str, Any] = {"dtypes": ["float32", "float64"], "classes": 3, "patterns": "margin", "logits": "-10:10:9"}
    report = cestab.sweep(["textbook", "textbook:label_smoothing=0.3"], **options)
    assert {r.verdict for r in report.settings} <= {Verdict.PASS, Verdict.WARN}
    assert {r.setting.options.label_smoothing for r in report.settings} == {0.0, 0.3}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("textbook:label_smoothing=2", "label_smoothing=2.0 is not a number from 0 to 1"),
        ("textbook:label_smoothing=x", "label_smoothing=nan is not a number from 0 to 1"),
        ("textbook:class_weights=1:x", "class_weights=1:x are not numbers with colons between, e.g. 0.2:0.8"),
        ("textbook:class_weights=-1", "class weight -1.0 is not a finite number from 0 on"),
    ],
)
def test_wrong_options_are_told(text: str, words: str) -> None:
    cestab.formulation(textbook)
    with pytest.raises(UsageError) as caught:
        find_formulation(text)
    assert str(caught.value) == words


@pytest.mark.parametrize("is_decorated", [True, False])
def test_class_weights_are_rounded_to_the_dtype_as_those_of_the_truth(is_decorated: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """1e-7 is 1.19e-7 in float16, whose loss a product in float32 with 1e-7 misses by a sixth."""
    if is_decorated:
        cestab.formulation(textbook)
        name = "textbook:class_weights=1e-7"
    else:
        (tmp_path / "recipe.py").write_text(WEIGHTED, encoding="utf-8")
        name = f"{tmp_path}/recipe.py:weighted:class_weights=1e-7"
    report = cestab.sweep(
        name, dtypes="float16", compute="float32", patterns="margin", classes=2, targets="wrong", logits="10:80:9", atol=0
    )
    (setting,) = report.settings
    assert not [finding for finding in setting.findings if finding.kind.is_loss], setting.findings


WEIGHTED = """
import cestab
from cestab.primitives import log, pick, softmax

@cestab.formulation
def weighted(z, target, *, class_weights=()):
    return -pick(log(softmax(z)), target) * class_weights[0]
"""


def test_options_of_any_kind_are_read() -> None:
    def mine(z: Array, target: Target, *, class_weights: Any = (), ignore_index: int = -100) -> Array:
        weight: float = (class_weights or [1.0])[0] * (1.0 if ignore_index else 0.0)
        return -pick(log(softmax(z)), target) * weight

    cestab.formulation(mine)
    assert find_formulation("mine").options == LossOptions(ignore_index=-100)
    given = find_formulation("mine:class_weights=0.5:2,ignore_index=0")
    assert given.options == LossOptions(class_weights=(0.5, 2.0), ignore_index=0)
    with pytest.raises(UsageError, match="ignore_index=x is not a whole number"):
        find_formulation("mine:ignore_index=x")


def test_options_of_another_objective_and_defaults_that_are_none_are_refused() -> None:
    def focal(z: Array, target: Target, *, gamma: float = 2.0) -> Array:
        return -pick(log(softmax(z)), target) * gamma

    def unset(z: Array, target: Target, *, label_smoothing: float | None = None) -> Array:
        return -pick(log(softmax(z)), target) * (label_smoothing or 1.0)

    cestab.formulation(focal)
    with pytest.raises(UsageError, match=r"gamma of 'focal' is no option of softmax-cross-entropy, but of focal-loss$"):
        cestab.sweep("focal")
    with pytest.raises(UsageError, match="the defaults of 'unset' are no options of a loss: label_smoothing=None"):
        cestab.formulation(unset)


def test_an_annotation_that_only_type_checkers_import_is_no_obstacle() -> None:
    def mine(z: "NoSuchType", target: Target, *, scale: float = 1.0) -> Array:  # type: ignore[name-defined]  # noqa: F821
        return -pick(log(softmax(z)), target) * scale

    cestab.formulation(mine)
    assert find_formulation("mine:scale=2").parameters == {"scale": 2.0}


def test_what_is_no_loss_is_told_to_its_author() -> None:
    def number(_z: Array, _target: Target) -> Any:
        return 3.0

    def every_class(z: Array, _target: Target) -> Array:
        return softmax(z)

    cestab.formulation(number)
    cestab.formulation(every_class)
    options: dict[str, Any] = {
        "dtypes": "float32",
        "classes": 2,
        "patterns": "margin",
        "targets": "wrong",
        "logits": "-1:1:3:linear",
    }
    with pytest.raises(TypeError, match="a formulation returns an Array, or Fused, not float"):
        cestab.sweep("number", **options)
    with pytest.raises(ValueError, match=r"a formulation returns a loss of shape \((\d+),\), not \(2, \1\)"):
        cestab.sweep("every-class", **options)


def test_the_primitives_are_those_of_the_tape() -> None:
    for name in set(primitives.__all__) - {"Fused", "DenseTarget", "IndexTarget", "Target"}:
        assert getattr(primitives, name) is getattr(operations, name)
    assert all(hasattr(primitives, name) for name in primitives.__all__)


def test_its_operations_and_its_root_cause_are_explained() -> None:
    cestab.formulation(chained)
    theirs, ours = (cestab.explain(name, logits=[200.0, 0.0], target=1, dtype="float16") for name in ("chained", "softmax-log"))
    assert str(theirs.operations) == str(ours.operations) != "()"  # NaN is not equal to itself
    assert theirs.root_cause == ours.root_cause is not None


def test_loaded_from_a_file_it_is_the_same_and_computes_in_every_format() -> None:
    """In a process of its own, in any summation order and flushed, unlike other code that is not cestab's."""
    cestab.formulation(chained)
    options: dict[str, Any] = {
        "dtypes": list(FORMATS)[:8],
        "classes": 3,
        "patterns": "margin",
        "targets": ["wrong", "smooth:0.1"],
        "logits": "-50:50:9",
        "summations": "sequential",
        "flush_subnormals": True,
        "loss_scales": 2.0,
    }
    file = f"{DATA}:chained"
    theirs, ours = (str(verdicts(each, **options)).replace(f"-f {each} ", "-f NAME ") for each in (file, "chained"))
    assert theirs == ours
    report = cestab.sweep([f"{DATA}:shifted_lse:shift=0.25"], dtypes="float32", classes=2, patterns="margin", logits="-5:5:9")
    assert [r.verdict for r in report.settings] == [Verdict.OTHER_OBJECTIVE] * 2
    assert "it adds 0.25, exactly" in (report.settings[0].reason or "")
