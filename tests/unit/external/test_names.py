"""Names of targets: what they are taken apart into, and the sentence that each mistake gets."""

import pytest

from cestab.errors import UsageError
from cestab.external import ADAPTERS, is_external_name
from cestab.external.formulation import find_any_formulation
from cestab.external.names import choose, parse_external_name, parse_value


@pytest.mark.parametrize(
    ("text", "adapter", "path", "parameters"),
    [
        ("python:pkg.losses.ce", "python", "pkg.losses.ce", {}),
        ("losses.py:ce", "python", "losses.py:ce", {}),
        ("../a b/losses.py:Loss.inner:eps=1e-6", "python", "../a b/losses.py:Loss.inner", {"eps": "1e-6"}),
        ("python:lib/losses.py:ce", "python", "lib/losses.py:ce", {}),
        ("torch:torch.nn.CrossEntropyLoss:weight=0.2:0.8,label_smoothing=0.1", "torch", "torch.nn.CrossEntropyLoss",
         {"weight": "0.2:0.8", "label_smoothing": "0.1"}),
        ("jax:train.py:ce:mode=jit", "jax", "train.py:ce", {"mode": "jit"}),
        ("keras:keras.losses.CategoricalCrossentropy:from_logits=True", "keras", "keras.losses.CategoricalCrossentropy",
         {"from_logits": "True"}),
        ("python:m.f:name=", "python", "m.f", {"name": ""}),
        ("python:m.f:a=b=c", "python", "m.f", {"a": "b=c"}),
    ],
)  # fmt: skip
def test_a_name_is_taken_apart(text: str, adapter: str, path: str, parameters: dict[str, str]) -> None:
    name = parse_external_name(text)
    assert is_external_name(text)
    assert (name.text, name.adapter, name.path, dict(name.parameters)) == (text, adapter, path, parameters)
    assert all(name.get(key) == value for key, value in parameters.items())
    assert name.get("other") is None
    assert name.options == ",".join(f"{key}={value}" for key, value in parameters.items())


def test_the_last_part_is_the_function_alone() -> None:
    assert parse_external_name("python:pkg.losses.ce").last == "ce"
    assert parse_external_name("lib/my.losses.py:Loss.inner:eps=1").last == "inner"


@pytest.mark.parametrize("text", ["naive", "clipped:eps=1e-8", "online:chunk=2", "bce-with-logits", "losses", "py:", ""])
def test_other_names_are_no_targets(text: str) -> None:
    assert not is_external_name(text)


def message_of(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        find_any_formulation(text)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_an_adapter_without_a_function_gets_its_example(adapter: str) -> None:
    for text in (adapter, f"{adapter}:", f"{adapter}::"):
        sentence = message_of(text)
        assert sentence.startswith(f"'{text}' names no function, e.g. {adapter}:")
        assert is_external_name(sentence.rpartition("e.g. ")[2])


@pytest.mark.parametrize("text", ["losses.py", "losses.py:", "python:losses.py", "python:losses.py:", "losses.py::eps=1"])
def test_a_file_without_a_function_is_told(text: str) -> None:
    assert message_of(text).startswith(f"'{text}' names no function, e.g. python:")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("python:m.f:eps", "'eps' in 'python:m.f:eps' is not key=value"),
        ("python:m.f:eps=1,", "'' in 'python:m.f:eps=1,' is not key=value"),
        ("python:m.f:eps=1,b", "'b' in 'python:m.f:eps=1,b' is not key=value"),
        ("python:m.f:eps=1,2b=3", "'2b=3' in 'python:m.f:eps=1,2b=3' is not key=value"),
        ("losses.py:f:eps=1,eps=2", "'losses.py:f:eps=1,eps=2' gives eps twice"),
        ("losses.py:f:eps", "'eps' in 'losses.py:f:eps' is not key=value"),
        ("losses.py::f", "'losses.py::f' has two colons in a row; one is needed: losses.py:f"),
        ("losses:f", "'losses:f' is no formulation; a function is named losses.py:f in a file, python:losses.f in a module"),
    ],
)
def test_a_wrong_parameter_is_told(text: str, sentence: str) -> None:
    assert message_of(text) == sentence


@pytest.mark.parametrize(
    "text", ["losses.py:f,naive", "python:m.f,python:m.g", "losses.py:f,losses.py:g", "python:m.f,g:eps=1"]
)
def test_a_list_is_told_to_repeat_the_option(text: str) -> None:
    options = " ".join(f"-f {part}" for part in text.split(","))
    assert message_of(text) == f"'{text}' looks like a list; repeat the option: {options}"


def test_commas_and_colons_of_folders_and_weights_are_no_lists() -> None:
    assert parse_external_name("a,b/losses.py:f").path == "a,b/losses.py:f"
    assert parse_external_name("python:m.f:weight=0.2:0.8").get("weight") == "0.2:0.8"


@pytest.mark.parametrize(
    ("text", "nearest"),
    [("pyhton:m.f", "python"), ("tourch:torch.nn.f", "torch"), ("JAX:optax.x", None), ("kera:keras.l", "keras")],
)
def test_a_misspelt_adapter_suggests_the_nearest(text: str, nearest: str | None) -> None:
    head = text.partition(":")[0]
    hint = f"; did you mean {nearest}?" if nearest else ""
    assert message_of(text) == f"unknown adapter '{head}'{hint} (known: torch, jax, keras, tensorflow, python)"


@pytest.mark.parametrize("text", ["pkg.losses.ce", "lib/losses", "./losses:ce", "pkg.losses.ce:eps=1"])
def test_a_path_without_an_adapter_is_told_how_it_is_named(text: str) -> None:
    assert f"python:{text}" in message_of(text)
    assert "path/to/file.py:function" in message_of(text)


@pytest.mark.parametrize(
    ("text", "adapter"),
    [
        ("torch.nn.functional.cross_entropy", "torch"),
        ("optax.softmax_cross_entropy", "jax"),
        ("tf.nn.log_softmax", "tensorflow"),
    ],
)
def test_a_path_of_a_framework_is_told_its_adapter(text: str, adapter: str) -> None:
    assert f"is named {adapter}:{text} or" in message_of(text)


def test_other_unknown_names_are_still_formulations() -> None:
    assert message_of("naiv").startswith("unknown formulation 'naiv'; did you mean naive?")
    assert message_of("clippd:eps=1.5").startswith("unknown formulation 'clippd'; did you mean clipped?")


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("1e-3", 1e-3), ("True", True), ("None", None), ("mean", "mean"), ("(1,2)", (1, 2)), ("", ""), ("0x", "0x")],
)
def test_values_are_literals_where_they_are_some(text: str, value: object) -> None:
    parsed = parse_value(text)
    assert parsed == value
    assert type(parsed) is type(value)


def test_a_parameter_of_some_words_is_one_of_them() -> None:
    name = parse_external_name("torch:m.f:mode=compil")
    assert choose(name, "device", ("cpu", "cuda"), "cpu") == "cpu"
    with pytest.raises(UsageError, match=r"unknown mode of torch 'compil'; did you mean compile\? \(known: eager, compile\)"):
        choose(name, "mode", ("eager", "compile"), "eager")
    with pytest.raises(UsageError, match="torch has no mode: 'mode=compil' means nothing"):
        choose(name, "mode", ("",), "")
