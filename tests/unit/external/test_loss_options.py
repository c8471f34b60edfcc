"""What a target's parameters mean: for the objective, for the function, for the adapter."""

import pytest

from cestab.errors import UsageError
from cestab.external.engines.numpy import NumpyEngine
from cestab.external.formulation import find_any_formulation
from cestab.external.loss_options import read_options
from cestab.external.names import parse_external_name
from cestab.vocabulary.loss_options import NO_OPTIONS, LossOptions


def options_of(parameters: str) -> LossOptions:
    return find_any_formulation(f"torch:m.f:{parameters}").options


@pytest.mark.parametrize(
    ("parameters", "options"),
    [
        ("eps=1", NO_OPTIONS),
        ("label_smoothing=0.1", LossOptions(label_smoothing=0.1)),
        ("gamma=2", LossOptions(gamma=2.0)),
        ("z_weight=1e-4", LossOptions(z_weight=1e-4)),
        ("weight=0.2:0.8", LossOptions(class_weights=(0.2, 0.8))),
        ("weight=3", LossOptions(class_weights=(3.0,))),
        ("class_weight=0:1:2", LossOptions(class_weights=(0.0, 1.0, 2.0))),
        ("ignore_index=-100", LossOptions(ignore_index=-100)),
        ("ignore_class=3", LossOptions(ignore_index=3)),
        ("ignore_index=0,label_smoothing=0.25", LossOptions(label_smoothing=0.25, ignore_index=0)),
    ],
)
def test_parameters_that_change_the_objective(parameters: str, options: LossOptions) -> None:
    assert options_of(parameters) == options


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ("pos_weight=2", ["pos_weight", "changes the objective", "no truth"]),
        ("label_smoothing=much", ["label_smoothing=much", "not a number"]),
        ("label_smoothing=1.5", ["label_smoothing=1.5", "0 to 1"]),
        ("label_smoothing=nan", ["label_smoothing=nan"]),
        ("gamma=-1", ["gamma=-1"]),
        ("gamma=", ["gamma=", "not a number"]),
        ("z_weight=inf", ["z_weight=inf"]),
        ("weight=0.2:x", ["class weights", "0.2:0.8"]),
        ("weight=-1:1", ["class weights", "from 0 on"]),
        ("weight=nan", ["class weights"]),
        ("weight=", ["class weights"]),
        ("ignore_index=one", ["ignore_index=one", "whole number"]),
        ("ignore_index=1.5", ["ignore_index=1.5", "whole number"]),
        ("ignore_index=True", ["ignore_index=True", "whole number"]),
        ("ignore_class=None", ["ignore_class=None", "whole number"]),
    ],
)
def test_what_is_no_such_number_is_told_in_one_sentence(parameters: str, words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        options_of(parameters)
    assert [word for word in words if word not in str(caught.value)] == []
    assert "\n" not in str(caught.value)


def test_options_need_no_import() -> None:
    assert read_options(parse_external_name("python:no.such.module.f:gamma=1")) == LossOptions(gamma=1.0)


@pytest.mark.parametrize("parameter", ["device=cuda", "mode=jit", "layout=NCL"])
def test_the_adapter_has_one_place_to_run(parameter: str) -> None:
    key, _, value = parameter.partition("=")
    with pytest.raises(UsageError, match=f"unknown {key} of python '{value}'"):
        NumpyEngine.read_site(parse_external_name(f"python:m.f:{parameter}"))
