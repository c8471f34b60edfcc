"""What a target's parameters mean: for the objective, for the function, for the adapter."""

from typing import Any

import numpy as np
import pytest

from cestab.errors import UsageError
from cestab.formulations import find_any_formulation
from cestab.formulations.adapters.callable import NumpyEngine
from cestab.formulations.adapters.names import parse_target_name
from cestab.formulations.adapters.options import make_keywords, read_options, refuse_hidden_options, refuse_unknown_keywords
from cestab.numerics.formats import FORMATS
from cestab.results import NO_OPTIONS, LossOptions


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


def keywords_of(text: str, dtype: str = "float32", classes: int = 3) -> dict[str, Any]:
    name = parse_target_name(text)
    engine = NumpyEngine(NumpyEngine.read_site(name))
    return make_keywords(name, with_any, engine, read_options(name), FORMATS[dtype], classes)


def test_the_function_gets_its_own_parameters_as_literals() -> None:
    keywords = keywords_of("python:m.f:eps=1e-6,mode=eager,rows=8,order=logits-first,target=index,name=abc,flag=True,none=None")
    assert keywords == {"eps": 1e-6, "name": "abc", "flag": True, "none": None}
    assert keywords_of("python:m.f:label_smoothing=0.1") == {"label_smoothing": 0.1}


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "float8_e4m3fn"])
def test_class_weights_are_repeated_over_the_classes_and_rounded_to_the_format(dtype: str) -> None:
    (weights,) = keywords_of("python:m.f:weight=0.2:0.8", dtype, classes=5).values()
    assert weights.dtype == FORMATS[dtype].dtype
    expected = np.array([0.2, 0.8, 0.2, 0.8, 0.2], dtype=np.float64).astype(np.float32 if dtype != "float64" else np.float64)
    assert weights.astype(np.float64).tolist() == expected.astype(FORMATS[dtype].dtype).astype(np.float64).tolist()


def plain(z: object, target: object) -> None: ...
def with_eps(z: object, target: object, eps: float = 0.0, *, gamma: float = 0.0) -> None: ...
def with_any(z: object, target: object, **_: object) -> None: ...


class Loss:
    def __init__(self, factor: float = 1.0) -> None: ...


def refusal(parameters: str, found: object) -> str:
    with pytest.raises(UsageError) as caught:
        refuse_unknown_keywords(parse_target_name(f"python:m.f:{parameters}"), found)
    return str(caught.value)


def test_parameters_that_a_function_does_not_have_are_refused() -> None:
    assert refusal("eps=1", plain) == "f has no parameters but logits and target, so 'eps' means nothing"
    assert refusal("esp=1", with_eps) == "unknown parameter of f 'esp'; did you mean eps? (known: eps, gamma)"
    assert refusal("z=1", with_eps).startswith("unknown parameter of f 'z'"), "it gets the logits"
    assert refusal("facto=1", Loss) == "unknown parameter of f 'facto'; did you mean factor? (known: factor)"


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ("eps=1,gamma=2", with_eps),
        ("a=1,b=2", with_any),
        ("a=1", max),
        ("factor=2", Loss),
        ("rows=4,order=logits-first", plain),
    ],
)
def test_parameters_that_it_may_have_are_not(parameters: str, found: object) -> None:
    refuse_unknown_keywords(parse_target_name(f"python:m.f:{parameters}"), found)


class Criterion:
    """As an instance of a framework's class in a user's file is."""

    def __init__(self, **attributes: object) -> None:
        vars(self).update(attributes)

    def __call__(self, z: object, target: object) -> None: ...


def smoothed(z: object, target: object, label_smoothing: float = 0.1) -> None: ...
def of_probabilities(target: object, z: object, *, from_logits: bool = False) -> None: ...
def with_torch_defaults(
    z: object, target: object, weight: object = None, ignore_index: int = -100, label_smoothing: float = 0.0
) -> None: ...


@pytest.mark.parametrize(
    ("found", "parameters", "words"),
    [
        (smoothed, "", "f has label_smoothing=0.1, which changes the objective: write m.f:label_smoothing=0.1"),
        (Criterion(label_smoothing=0.1), "", "f has label_smoothing=0.1, .* write m.f:label_smoothing=0.1"),
        (Criterion(label_smoothing=0.1), ":label_smoothing=0.2", "f has label_smoothing=0.1"),
        (Criterion(ignore_index=0), "", "f has ignore_index=0"),
        (Criterion(weight=[0.2, 0.8]), "", "f has class weights, which change the objective: write m.f:weight=0.2:0.8"),
        (Criterion(pos_weight=[2.0]), "", "f has pos_weight: cestab has no truth for it"),
        (of_probabilities, "", "f has from_logits=False: write m.f:input=softmax or from_logits=True"),
        (Criterion(from_logits=False), "", "f has from_logits=False"),
    ],
)
def test_what_changes_the_objective_untold_is_refused(found: object, parameters: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        refuse_hidden_options(parse_target_name(f"python:m.f{parameters}"), found)


@pytest.mark.parametrize(
    ("found", "parameters"),
    [
        (smoothed, ":label_smoothing=0"),
        (with_torch_defaults, ""),
        (Criterion(label_smoothing=0.1, weight=None, ignore_index=-100), ":label_smoothing=0.1"),
        (Criterion(weight=[0.2, 0.8]), ":weight=0.2:0.8"),
        (of_probabilities, ":from_logits=True"),
        (of_probabilities, ":input=softmax"),
    ],
)
def test_what_is_told_is_not(found: object, parameters: str) -> None:
    refuse_hidden_options(parse_target_name(f"python:m.f{parameters}"), found)


def test_what_an_instance_was_made_with_is_not_given_to_its_call() -> None:
    name = parse_target_name("python:m.f:label_smoothing=0.1,eps=1")
    engine = NumpyEngine(NumpyEngine.read_site(name))
    found = Criterion(label_smoothing=0.1)
    assert make_keywords(name, found, engine, read_options(name), FORMATS["float32"], 2) == {"eps": 1}


@pytest.mark.parametrize("option", ["gamma=2", "z_weight=0.1", "label_smoothing=0.1", "weight=0.2:0.8", "ignore_index=0"])
def test_what_is_built_into_a_function_is_told_to_the_truth_alone(option: str) -> None:
    for found in (plain, Loss):
        name = parse_target_name(f"python:m.f:{option}")
        refuse_unknown_keywords(name, found)
        engine = NumpyEngine(NumpyEngine.read_site(name))
        assert make_keywords(name, found, engine, read_options(name), FORMATS["float32"], 2) == {}
        assert read_options(name) != NO_OPTIONS


def test_a_known_function_is_told_nothing_that_it_does_not_have() -> None:
    with pytest.raises(UsageError, match="nll_loss has no parameters but logits and target, so 'gamma' means nothing"):
        refuse_unknown_keywords(parse_target_name("torch:torch.nn.functional.nll_loss:gamma=2"), plain)


def test_options_need_no_import() -> None:
    assert read_options(parse_target_name("python:no.such.module.f:gamma=1")) == LossOptions(gamma=1.0)


@pytest.mark.parametrize("parameter", ["device=cuda", "mode=jit", "layout=NCL"])
def test_the_adapter_has_one_place_to_run(parameter: str) -> None:
    key, _, value = parameter.partition("=")
    with pytest.raises(UsageError, match=f"unknown {key} of python '{value}'"):
        NumpyEngine.read_site(parse_target_name(f"python:m.f:{parameter}"))
