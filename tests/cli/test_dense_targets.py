"""Dense targets are judged as the index targets that they stand for, and errors beside them are counted in true ulps."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cestab.numerics.formats import FORMATS
from cestab.numerics.rounding import round_to_format, to_ordinal

Command = Callable[..., Any]
BFLOAT16 = FORMATS["bfloat16"]


def sweep(cestab: Command, *arguments: str) -> list[dict[str, Any]]:
    outcome = cestab("sweep", "--pattern", "margin", "--classes", "2", *arguments, "--json")
    assert outcome.status == 0
    settings: list[dict[str, Any]] = json.loads(outcome.out)["settings"]
    return settings


def count_findings(setting: dict[str, Any]) -> dict[str, int]:
    return {finding["kind"]: finding["cases"] for finding in setting["findings"]}


def test_a_sound_gradient_beside_a_one_hot_target_is_off_by_two_ulps_at_most(cestab: Command) -> None:
    """V·p − v has no digit left where p is 1 − 2^-113: 8e6 ulps were printed in float32, 1e284 in float64."""
    for setting in sweep(cestab, "-f", "compensated", "--dtype", "float32,float64", "--target", "one-hot-correct"):
        assert setting["max_error"]["gradient_ulps"] < 2
        assert setting["max_error"]["loss_ulps"] < 2


def test_a_one_hot_target_finds_what_its_index_finds(cestab: Command) -> None:
    arguments = ("-f", "log-softmax", "--dtype", "bfloat16", "--logits", "79:87")
    index, one_hot = sweep(cestab, *arguments, "--target", "correct,one-hot-correct")
    assert count_findings(index) == count_findings(one_hot) == {"zeroed-loss": 17, "zeroed-gradient": 17}


def test_the_screen_of_zeros_keeps_the_bound_of_what_cancels(cestab: Command) -> None:
    """Between 1e-41 and 6e-35 no quadruple precision tells the gradient t/4 from 0: balls do, and no ulps are printed."""
    (setting,) = sweep(cestab, "-f", "log-softmax", "--dtype", "bfloat16", "--target", "uniform", "--logits=1e-41:6e-35")
    ordinals = round_to_format(np.array([2.0**-124, 6e-35]), BFLOAT16)
    above, last = to_ordinal(ordinals, BFLOAT16).tolist()
    assert count_findings(setting) == {"zeroed-gradient": last - above}, "where t/4 is above the smallest normal number"
    assert setting["max_error"]["gradient_ulps"] is None


@pytest.mark.parametrize(("target", "ulps"), [("one-hot-correct", 0.963), ("uniform", 0.0)])
def test_explain_counts_the_same_ulps(target: str, ulps: float, cestab: Command) -> None:
    case = ("--pattern", "spread", "--classes", "2", "--at=39.2", "--target", target)
    outcome = cestab("explain", "-f", "compensated", "--dtype", "float32", *case, "--json")
    assert json.loads(outcome.out)["gradient_ulps"] == pytest.approx(ulps, abs=1e-3)
