"""How targets are called: the tables of known functions, and the parameters of a name that change what they say."""

import inspect

import pytest

from cestab.errors import UsageError
from cestab.external import ADAPTERS
from cestab.external.conventions import CONVENTIONS, Convention, Input, Order, Output, TargetForm, find_convention
from cestab.external.engines.base import find_order
from cestab.external.formulation import ExternalFormulation, find_any_formulation
from cestab.external.names import parse_external_name
from cestab.vocabulary.objectives import (
    BINARY_CROSS_ENTROPY,
    FOCAL_LOSS,
    SIGMOID_MEAN_SQUARED_ERROR,
    SOFTMAX_CROSS_ENTROPY,
    SOFTMAX_MEAN_SQUARED_ERROR,
    Z_LOSS,
    Objective,
)

SOFTMAX, BINARY, FOCAL = SOFTMAX_CROSS_ENTROPY, BINARY_CROSS_ENTROPY, FOCAL_LOSS


def convention_of(text: str) -> Convention:
    return find_convention(parse_external_name(text))


def test_tables_are_of_adapters_and_name_functions() -> None:
    assert set(CONVENTIONS) == set(ADAPTERS) - {"python"}
    assert all(name.isidentifier() for table in CONVENTIONS.values() for name in table)


def test_functions_and_their_classes_are_called_alike() -> None:
    for adapter, pairs in {
        "torch": {"cross_entropy": "CrossEntropyLoss", "nll_loss": "NLLLoss", "binary_cross_entropy": "BCELoss"},
        "keras": {"categorical_crossentropy": "CategoricalCrossentropy", "binary_crossentropy": "BinaryCrossentropy"},
    }.items():
        for function, its_class in pairs.items():
            assert CONVENTIONS[adapter][function] == CONVENTIONS[adapter][its_class], function
    assert CONVENTIONS["keras"].items() <= CONVENTIONS["tensorflow"].items(), "tf.keras.losses"


@pytest.mark.parametrize(
    ("text", "objective", "given", "target", "output"),
    [
        ("torch:torch.nn.functional.cross_entropy", SOFTMAX, Input.LOGITS, TargetForm.EITHER, Output.LOSS),
        ("torch:torch.nn.NLLLoss", SOFTMAX, Input.LOG_SOFTMAX, TargetForm.INDEX, Output.LOSS),
        ("torch:torch.nn.functional.log_softmax", SOFTMAX, Input.LOGITS, TargetForm.EITHER, Output.LOG_PROBABILITIES),
        ("torch:torch.log", SOFTMAX, Input.SOFTMAX, TargetForm.EITHER, Output.LOG_PROBABILITIES),
        ("torch:torch.nn.BCELoss", BINARY, Input.SIGMOID, TargetForm.EITHER, Output.LOSS),
        ("torch:torch.nn.BCEWithLogitsLoss", BINARY, Input.LOGITS, TargetForm.EITHER, Output.LOSS),
        ("jax:optax.softmax_cross_entropy_with_integer_labels", SOFTMAX, Input.LOGITS, TargetForm.INDEX, Output.LOSS),
        ("jax:optax.softmax_cross_entropy", SOFTMAX, Input.LOGITS, TargetForm.ONE_HOT, Output.LOSS),
        ("jax:optax.sigmoid_binary_cross_entropy", BINARY, Input.LOGITS, TargetForm.EITHER, Output.LOSS),
        ("tensorflow:tf.nn.sparse_softmax_cross_entropy_with_logits", SOFTMAX, Input.LOGITS, TargetForm.INDEX, Output.LOSS),
        ("keras:keras.losses.CategoricalFocalCrossentropy", FOCAL, Input.SOFTMAX, TargetForm.ONE_HOT, Output.LOSS),
        ("torch:torch.nn.MSELoss:input=sigmoid", SIGMOID_MEAN_SQUARED_ERROR, Input.SIGMOID, TargetForm.ONE_HOT,
         Output.ELEMENTWISE),
        ("torch:torch.nn.MSELoss:input=softmax", SOFTMAX_MEAN_SQUARED_ERROR, Input.SOFTMAX, TargetForm.ONE_HOT,
         Output.ELEMENTWISE),
    ],
)  # fmt: skip
def test_known_functions(text: str, objective: Objective, given: Input, target: TargetForm, output: Output) -> None:
    known = convention_of(text)
    assert (known.objective, known.input, known.target, known.output) == (objective, given, target, output)


@pytest.mark.parametrize("adapter", ["keras", "tensorflow"])
def test_losses_of_keras_take_probabilities_unless_told_that_they_take_logits(adapter: str) -> None:
    softmax, sigmoid = f"{adapter}:keras.losses.categorical_crossentropy", f"{adapter}:keras.losses.binary_crossentropy"
    assert convention_of(softmax).input is Input.SOFTMAX
    assert convention_of(sigmoid).input is Input.SIGMOID
    assert convention_of(f"{softmax}:from_logits=False").input is Input.SOFTMAX
    for name in (softmax, sigmoid):
        assert convention_of(f"{name}:from_logits=True").input is Input.LOGITS
        assert convention_of(name).order is Order.TARGET_FIRST


@pytest.mark.parametrize("word", ["true", "false", "1", "yes", ""])
def test_from_logits_is_true_or_false(word: str) -> None:
    with pytest.raises(UsageError, match=f"from_logits={word} in '.*' is neither True nor False"):
        convention_of(f"keras:keras.losses.categorical_crossentropy:from_logits={word}")


def test_a_parameter_that_only_one_objective_has_tells_it() -> None:
    assert convention_of("python:m.f:gamma=2").objective is FOCAL_LOSS
    assert convention_of("python:m.f:z_weight=1e-4").objective is Z_LOSS
    assert convention_of("python:m.f:label_smoothing=0.1").objective is None


@pytest.mark.parametrize("name", ["torch:torch.nn.functional.mse_loss", "torch:torch.nn.MSELoss"])
def test_a_squared_error_needs_the_input_that_it_is_of(name: str) -> None:
    assert convention_of(f"{name}:input=sigmoid").objective is SIGMOID_MEAN_SQUARED_ERROR
    with pytest.raises(UsageError, match=f"'{name}' needs input=softmax or input=sigmoid"):
        convention_of(name)


def test_an_instance_is_called_as_its_class() -> None:
    class CategoricalCrossentropy:
        from_logits = True

    class Other:
        from_logits = False

    name = parse_external_name("keras:losses.py:loss")
    found = find_convention(name, CategoricalCrossentropy())
    assert (found.target, found.order, found.input) == (TargetForm.ONE_HOT, Order.TARGET_FIRST, Input.LOGITS)
    CategoricalCrossentropy.from_logits = False
    assert find_convention(name, CategoricalCrossentropy()).input is Input.SOFTMAX
    assert find_convention(name, Other()) == find_convention(name)


def test_a_table_is_of_its_own_adapter() -> None:
    assert convention_of("python:m.binary_cross_entropy") == Convention()
    assert convention_of("jax:m.binary_cross_entropy") == Convention()


def test_what_no_table_knows_takes_logits_and_leaves_the_objective_to_the_request() -> None:
    assert convention_of("python:m.f") == Convention(
        objective=None, target=TargetForm.EITHER, order=None, input=Input.LOGITS, output=Output.LOSS
    )
    assert find_any_formulation("python:m.f").objective is None


@pytest.mark.parametrize(
    ("parameters", "objective"),
    [
        ("gamma=2", FOCAL),
        ("input=softmax,gamma=2", FOCAL),
        ("eps=1", None),
    ],
)
def test_parameters_tell_an_objective(parameters: str, objective: Objective | None) -> None:
    assert convention_of(f"torch:m.f:{parameters}").objective is objective


@pytest.mark.parametrize(
    ("given", "objective"), [("logits", None), ("sigmoid", BINARY), ("softmax", SOFTMAX), ("log-softmax", SOFTMAX)]
)
def test_an_input_suggests_an_objective_and_tells_none(given: str, objective: Objective | None) -> None:
    found = find_any_formulation(f"torch:m.f:input={given}")
    assert isinstance(found, ExternalFormulation)
    assert (found.objective, found.suggestion) == (None, objective)


def test_parameters_of_the_name_win_over_the_table() -> None:
    words = "input=log-softmax,output=elementwise,target=one-hot,order=target-first"
    found = convention_of(f"torch:torch.nn.functional.cross_entropy:{words}")
    assert (found.input, found.output) == (Input.LOG_SOFTMAX, Output.ELEMENTWISE)
    assert (found.target, found.order) == (TargetForm.ONE_HOT, Order.TARGET_FIRST)
    assert found.objective is SOFTMAX
    assert convention_of("keras:keras.losses.categorical_crossentropy:order=logits-first").order is Order.LOGITS_FIRST


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        ("input=logit", ["unknown input", "'logit'", "did you mean logits?", "log-softmax", "sigmoid"]),
        ("output=los", ["unknown output", "'los'", "did you mean loss?", "elementwise"]),
        ("target=onehot", ["unknown target", "'onehot'", "did you mean one-hot?", "index", "either"]),
        ("order=target", ["unknown order", "'target'", "did you mean target-first?", "logits-first"]),
    ],
)
def test_a_wrong_word_suggests_the_nearest(parameter: str, words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        find_any_formulation(f"python:m.f:{parameter}")
    assert [word for word in words if word not in str(caught.value)] == []


def logits_first(z: object, target: object) -> None: ...
def target_first(y_true: object, y_pred: object) -> None: ...
def labels_first(labels: object, logits: object) -> None: ...
def unnamed(*arguments: object) -> None: ...


def test_the_order_is_that_of_the_parameters_names_unless_it_is_declared() -> None:
    plain = Convention()
    assert find_order(logits_first, plain) is Order.LOGITS_FIRST
    assert find_order(target_first, plain) is Order.TARGET_FIRST
    assert find_order(labels_first, plain) is Order.TARGET_FIRST
    assert find_order(unnamed, plain) is Order.LOGITS_FIRST
    with pytest.raises(ValueError, match="no signature"):
        inspect.signature(max)
    assert find_order(max, plain) is Order.LOGITS_FIRST, "without a signature"
    assert find_order(target_first, Convention(order=Order.LOGITS_FIRST)) is Order.LOGITS_FIRST
    assert find_order(logits_first, Convention(order=Order.TARGET_FIRST)) is Order.TARGET_FIRST
