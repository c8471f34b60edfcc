"""The parts that reports share: options of a loss come from LossOptions alone, and settings and environments read back."""

import math
from dataclasses import fields, replace
from typing import Any

import pytest
from msgspec import ValidationError, convert, to_builtins

from builders import build_setting
from cestab.commands.sweep.wire import Sweep
from cestab.errors import UsageError
from cestab.reports.schemas import make_schema
from cestab.reports.wire.settings import (
    Options,
    SettingName,
    read_environment,
    read_setting,
    write_environment,
    write_setting,
)
from cestab.vocabulary.external import ExternalFacts, GradientSource
from cestab.vocabulary.kinds import Summation
from cestab.vocabulary.loss_options import OPTION_NAMES, LossOptions, Reduction
from cestab.vocabulary.objectives import FOCAL_LOSS
from cestab.vocabulary.settings import Environment, Setting

RANGES = {option.name: option.metadata["range"] for option in fields(LossOptions) if "range" in option.metadata}
SETTING = build_setting(dtype="float16", compute="float32", summation=Summation.PAIRWISE, loss_scale=8.0)
EVERY_OPTION = LossOptions(
    label_smoothing=0.1,
    class_weights=(1.0, 2.5),
    ignore_index=3,
    gamma=2.0,
    z_weight=1e-4,
    batch=7,
    reduction=Reduction.SUM,
)


@pytest.mark.parametrize(
    "setting",
    [
        SETTING,
        replace(SETTING, objective=FOCAL_LOSS, options=EVERY_OPTION),
        replace(SETTING, pattern=None, target=None),
    ],
    ids=["default", "options", "rows"],
)
def test_a_setting_reads_back(setting: Setting) -> None:
    assert read_setting(SettingName(**write_setting(setting))) == setting
    assert read_setting(SettingName(**write_setting(setting, missing=None))) == setting


def test_a_setting_from_before_there_were_options_has_none() -> None:
    shown = {name: value for name, value in write_setting(SETTING).items() if name not in ("batch", "reduction", "options")}
    assert read_setting(SettingName(**shown)) == SETTING


def test_an_objective_that_cestab_does_not_have_is_refused() -> None:
    with pytest.raises(UsageError, match=r"unknown objective 'focal-los'; did you mean focal-loss\?"):
        read_setting(SettingName(**write_setting(SETTING) | {"objective": "focal-los"}))


def test_an_environment_reads_back() -> None:
    facts = ExternalFacts(
        formulation="a.py:f",
        adapter="python",
        versions=(("numpy", "2"), ("jax", "1")),
        device="cpu",
        mode="eager",
        gradient=GradientSource.OWN,
        threads=None,
        flushes_subnormals=True,
    )
    for targets in ((), (facts, facts)):
        environment = Environment(python="3", numpy="2", platform="p", cpu="c", targets=targets)
        assert read_environment(write_environment(environment)) == environment


def test_the_options_in_reports_are_those_of_a_loss() -> None:
    properties = make_schema(Sweep)["$defs"]["Options"]["properties"]
    assert tuple(properties) == OPTION_NAMES
    assert set(RANGES) <= set(OPTION_NAMES)
    for name, (low, high) in RANGES.items():
        numbers = properties[name].get("items", properties[name])
        assert (numbers["minimum"], numbers.get("maximum", math.inf)) == (low, high)


@pytest.mark.parametrize("name", RANGES)
def test_a_report_allows_the_numbers_that_a_loss_allows(name: str) -> None:
    low, high = RANGES[name]
    wrong = [low - 0.5, *([high + 0.5] if math.isfinite(high) else [])]
    for number in (low, min(high, 1e300), *wrong):
        given: Any = {name: (number,) if name == "class_weights" else number}
        if number not in wrong:
            assert to_builtins(convert(given, Options)) == given
            assert vars(LossOptions(**given))[name] == given[name]
            continue
        with pytest.raises(ValidationError):
            convert(given, Options)
        with pytest.raises(UsageError, match=f"{name.removesuffix('s').replace('_', '.')}.{number} is not a"):
            LossOptions(**given)


def test_there_is_no_null_among_options() -> None:
    with pytest.raises(ValidationError):
        convert({"ignore_index": None}, Options)
