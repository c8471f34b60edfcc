"""What loaded functions, classes and instances declare: what of a name they get, and what it must tell of them."""

from typing import Any

import numpy as np
import pytest

from cestab.errors import UsageError
from cestab.external.declared import make_call, refuse_hidden_options, refuse_unknown_keywords
from cestab.external.engines.numpy import NumpyEngine
from cestab.external.loss_options import read_options
from cestab.external.names import parse_external_name
from cestab.numerics.formats import FORMATS
from cestab.vocabulary.loss_options import NO_OPTIONS


def call_of(text: str, found: object, dtype: str = "float32", classes: int = 3) -> Any:
    name = parse_external_name(text)
    engine = NumpyEngine(NumpyEngine.read_site(name))
    return make_call(name, found, engine, read_options(name), FORMATS[dtype], classes, "none")


def keywords_of(text: str, dtype: str = "float32", classes: int = 3) -> dict[str, Any]:
    keywords: dict[str, Any] = call_of(text, with_any, dtype, classes).keywords
    return keywords


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
        refuse_unknown_keywords(parse_external_name(f"python:m.f:{parameters}"), found)
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
    refuse_unknown_keywords(parse_external_name(f"python:m.f:{parameters}"), found)


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
        (smoothed, "", "f has label_smoothing=0.1, which changes the objective: write python:m.f:label_smoothing=0.1"),
        (smoothed, ":order=logits-first", "write python:m.f:order=logits-first,label_smoothing=0.1"),
        (Criterion(label_smoothing=0.1), "", "f has label_smoothing=0.1, .* write python:m.f:label_smoothing=0.1"),
        (Criterion(label_smoothing=0.1), ":label_smoothing=0.2", "f has label_smoothing=0.1, not 0.2"),
        (Criterion(ignore_index=0), "", "f has ignore_index=0"),
        (Criterion(weight=[0.2, 0.8]), "", "f has class weights, which change the objective: write python:m.f:weight=0.2:0.8"),
        (Criterion(pos_weight=[2.0]), "", "f has pos_weight: cestab has no truth for it"),
        (of_probabilities, "", "f has from_logits=False: write python:m.f:input=softmax or from_logits=True"),
        (Criterion(from_logits=False), "", "f has from_logits=False"),
    ],
)
def test_what_changes_the_objective_untold_is_refused(found: object, parameters: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        refuse_hidden_options(parse_external_name(f"python:m.f{parameters}"), found)


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
    refuse_hidden_options(parse_external_name(f"python:m.f{parameters}"), found)


def test_what_an_instance_was_made_with_is_not_given_to_its_call() -> None:
    found = Criterion(label_smoothing=0.1)
    call = call_of("python:m.f:label_smoothing=0.1,eps=1", found)
    assert (call.func, call.keywords) == (found, {"eps": 1})


def test_of_an_instance_a_copy_reduces_as_asked_for_and_has_the_weights_in_the_format() -> None:
    found: Any = Criterion(reduction="mean", weight=np.array([0.2, 0.8]))
    half = call_of("python:m.f:weight=0.2:0.8", found, "float16", classes=2)
    double = call_of("python:m.f:weight=0.2:0.8", found, "float64", classes=2)
    assert (half.keywords, half.func.reduction, half.func.weight.dtype) == ({}, "none", np.float16)
    assert double.func.weight.tolist() == [0.2, 0.8]
    assert (found.reduction, found.weight.dtype) == ("mean", np.float64)


@pytest.mark.parametrize("option", ["gamma=2", "z_weight=0.1", "label_smoothing=0.1", "weight=0.2:0.8", "ignore_index=0"])
def test_what_is_built_into_a_function_is_told_to_the_truth_alone(option: str) -> None:
    for found in (plain, Loss):
        name = parse_external_name(f"python:m.f:{option}")
        refuse_unknown_keywords(name, found)
        call = call_of(name.text, found)
        assert isinstance(call, Loss) or call.keywords == {}
        assert read_options(name) != NO_OPTIONS


def test_a_known_function_is_told_nothing_that_it_does_not_have() -> None:
    with pytest.raises(UsageError, match="nll_loss has no parameters but logits and target, so 'gamma' means nothing"):
        refuse_unknown_keywords(parse_external_name("torch:torch.nn.functional.nll_loss:gamma=2"), plain)
