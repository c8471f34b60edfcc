"""Certificates: figures decided again in balls, and what they do not let through."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from flint import arb

import cestab
from cestab.commands.sweep.request import make_sweep_request
from cestab.commands.sweep.wire import render
from cestab.evaluation import evaluate
from cestab.evaluation.certify import Figure, RefutedError, certify, find_conditions
from cestab.evaluation.plan import plan_sweep
from cestab.judgement.enclosures import enclose_errors
from cestab.numerics.formats import FORMATS
from cestab.truth.balls import ExactCase, precision
from cestab.truth.tiers import Truth, evaluate_truth
from cestab.vocabulary.objectives import SOFTMAX_CROSS_ENTROPY
from cestab.vocabulary.settings import SettingResult

OPTIONS: dict[str, Any] = {"dtypes": "float32", "patterns": "margin", "classes": 2, "targets": "wrong"}


def sweep_one(name: str, **options: Any) -> tuple[SettingResult, tuple[Figure, ...]]:
    """Return the result of one setting and its figures."""
    asked = {**OPTIONS, **options}
    (result,) = cestab.sweep(name, **asked).settings
    return result, recheck(result, **asked)


def recheck(result: SettingResult, **asked: Any) -> tuple[Figure, ...]:
    conditions = find_conditions(plan_sweep(make_sweep_request(result.setting.formulation, **asked)))
    return certify(conditions[result.setting], result.setting.formulation, result).figures


def test_an_error_is_enclosed_as_another_precision_gives_it() -> None:
    """z = (3, 0), the second class is true: L = 3 + log1p(e^-3) = 3.0485873…, and 3.0485873 in float32 beside it."""
    fmt, loss = FORMATS["float32"], float(np.float32(3.0485873))
    case = ExactCase(objective=SOFTMAX_CROSS_ENTROPY, logits=[3.0, 0.0], weights=[0.0, 1.0], upstream=1.0, is_index=True)
    gradient = np.array([0.95, -0.96], dtype=np.float32)
    of_loss, of_gradient = enclose_errors(case, loss, gradient, fmt)
    assert of_loss is not None
    assert of_gradient is not None
    with precision(2000):
        true = arb(3) + arb(-3).exp().log1p()
        p = 1 / (1 + arb(-3).exp())
        loss_ulps = float(abs(arb(loss) - true) / 2**-22)  # of numbers from 2 to 4
        gradient_ulps = max(float(abs(arb(float(g)) - s * p) / 2**-24) for g, s in zip(gradient, (1, -1), strict=True))
    assert of_loss.low <= loss_ulps <= of_loss.high <= of_loss.low + 1e-9
    assert of_gradient.low <= gradient_ulps <= of_gradient.high <= of_gradient.low * (1 + 1e-9)


def test_a_truth_just_below_a_power_of_two_has_the_smaller_ulp() -> None:
    """1 − e^-50 beside 0: 2^24 of float32's ulps below 1, which float64, where it is 1, takes for 2^23."""
    case = ExactCase(objective=SOFTMAX_CROSS_ENTROPY, logits=[50.0, 0.0], weights=[0.0, 1.0], upstream=1.0, is_index=True)
    _, found = enclose_errors(case, 50.0, np.zeros(2, dtype=np.float32), FORMATS["float32"])
    assert found is not None
    assert found.low == pytest.approx(2**24)
    assert found.holds(2.0**23, 0.0)
    assert not found.holds(2.0**22, 0.0)


@pytest.mark.parametrize("name", ["naive", "clipped", "log-softmax", "compensated"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64", "float8_e4m3fn"])
def test_what_a_sweep_says_is_confirmed(name: str, dtype: str) -> None:
    for target in ("correct", "soft:0.9"):
        _, figures = sweep_one(name, dtypes=dtype, targets=target, loss_scales=8.0)
        assert figures
        assert [figure for figure in figures if not figure.is_confirmed] == []


def test_a_boundary_that_moved_by_one_float_is_seen() -> None:
    result, _ = sweep_one("naive", logits="0:1000")
    first, second = result.intervals[:2]
    moved = replace(first, stop=second.start), *result.intervals[1:]
    (figure,) = [own for own in recheck(replace(result, intervals=moved), **OPTIONS, logits="0:1000") if not own.is_confirmed]
    assert (figure.what, figure.said) == ("boundary", "nothing hard")
    assert figure.place is not None
    assert figure.place.hexadecimal == "0x1.62e43p+6"  # the smallest float whose exp overflows


@pytest.mark.parametrize("place", ["first", "lowest", "worst"])
def test_a_finding_at_another_place_is_seen(place: str) -> None:
    result, _ = sweep_one("clipped", logits="1:100")
    finding = next(own for own in result.findings if own.kind.is_hard)
    elsewhere: dict[str, Any] = {place: result.intervals[0].start}
    changed = replace(finding, **elsewhere)
    others = tuple(changed if own is finding else own for own in result.findings)
    wrong = [own for own in recheck(replace(result, findings=others), **OPTIONS, logits="1:100") if not own.is_confirmed]
    assert f"{place} of a finding" in {figure.what for figure in wrong}


def test_an_error_that_was_edited_is_seen() -> None:
    result, _ = sweep_one("log-softmax")
    place = result.largest_error.loss
    assert place is not None
    largest = replace(result.largest_error, loss=place.noted(ulps=(place.ulps or 0) + 1e-3))
    (figure,) = [own for own in recheck(replace(result, largest_error=largest), **OPTIONS) if not own.is_confirmed]
    assert figure.what == "largest error of the loss"


@pytest.mark.parametrize("part", ["loss", "gradient"])
def test_a_truth_that_is_wrong_in_its_last_bits_is_caught(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """2^-36 of it: a few ten thousandths of an ulp of float32, far below every tolerance."""

    def evaluate_wrongly(*arguments: Any, **options: Any) -> Truth:
        truth = evaluate_truth(*arguments, **options)
        changed = getattr(truth, part) * (1 + 2.0**-36)
        scale = "loss_scale" if part == "loss" else "scale"
        return replace(truth, **{part: changed, scale: changed})

    plain = cestab.sweep("compensated", certify=True, **OPTIONS)
    monkeypatch.setattr(evaluate, "evaluate_truth", evaluate_wrongly)
    wrong = cestab.sweep("compensated", **OPTIONS)
    assert [f.kind for r in wrong.settings for f in r.findings] == [f.kind for r in plain.settings for f in r.findings]
    with pytest.raises(RefutedError, match=f"largest error of the {part} at .*: the sweep says .* ulps, ball arithmetic"):
        cestab.sweep("compensated", certify=True, **OPTIONS)


def test_a_certificate_is_in_the_report() -> None:
    report = cestab.sweep("compensated", certify=True, **OPTIONS)
    (setting,) = json.loads(render(report))["settings"]
    low, high = setting["certificate"]["gradient_ulps"]
    assert low <= setting["max_error"]["gradient_ulps"] <= high or math.isclose(low, setting["max_error"]["gradient_ulps"])
    assert setting["certificate"]["figures"] == len(recheck(report.settings[0], **OPTIONS)) > 0
    assert "certificate" not in json.loads(render(cestab.sweep("compensated", **OPTIONS)))["settings"][0]
