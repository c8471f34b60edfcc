"""How an external loss is called: what it takes and returns, by a table of names, a guess, and the parameters of its name."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar

from cestab.errors import UsageError, unknown_name
from cestab.external.names import ExternalName
from cestab.vocabulary.objectives import (
    BINARY_CROSS_ENTROPY,
    FOCAL_LOSS,
    OBJECTIVES,
    SIGMOID_MEAN_SQUARED_ERROR,
    SOFTMAX_CROSS_ENTROPY,
    SOFTMAX_MEAN_SQUARED_ERROR,
    Objective,
)


class Input(StrEnum):
    """What the function takes; made from logits in the framework, in the dtype."""

    LOGITS = "logits"
    SOFTMAX = "softmax"
    LOG_SOFTMAX = "log-softmax"
    SIGMOID = "sigmoid"


class Output(StrEnum):
    """What the function returns: a loss, entries whose mean over the classes is the loss, or log-probabilities."""

    LOSS = "loss"
    ELEMENTWISE = "elementwise"
    LOG_PROBABILITIES = "log-probabilities"


class TargetForm(StrEnum):
    """What the function takes as target: class indices, weights per class, or either."""

    INDEX = "index"
    ONE_HOT = "one-hot"
    EITHER = "either"


class Order(StrEnum):
    """Which of logits and target comes first."""

    LOGITS_FIRST = "logits-first"
    TARGET_FIRST = "target-first"


@dataclass(frozen=True, kw_only=True)
class Convention:
    """How a function is called; None where neither a table nor the name's parameters say.

    `takes_axis`: it needs `dim`, the axis of the classes. `takes_probabilities`: unless the name says from_logits=True.
    `takes_columns`: of binary logits (rows, 1), because it averages over the last axis. `order` None: by the names of its
    parameters, else logits first. `defaults`: the options of a loss of the table that are not as LossOptions has them;
    `alpha`: that of a focal loss.
    """

    objective: Objective | None = None
    target: TargetForm = TargetForm.EITHER
    order: Order | None = None
    input: Input = Input.LOGITS
    output: Output = Output.LOSS
    takes_axis: bool = False
    takes_probabilities: bool = False
    takes_columns: bool = False
    defaults: tuple[tuple[str, float], ...] = ()
    alpha: float = 1.0


SOFTMAX, BINARY = SOFTMAX_CROSS_ENTROPY, BINARY_CROSS_ENTROPY
INDEX, ONE_HOT = TargetForm.INDEX, TargetForm.ONE_HOT
LOG_SOFTMAX = Convention(objective=SOFTMAX, output=Output.LOG_PROBABILITIES)

_TORCH = {
    ("cross_entropy", "CrossEntropyLoss"): Convention(objective=SOFTMAX),
    ("nll_loss", "NLLLoss"): Convention(objective=SOFTMAX, target=INDEX, input=Input.LOG_SOFTMAX),
    ("log_softmax", "LogSoftmax"): replace(LOG_SOFTMAX, takes_axis=True),
    ("log",): replace(LOG_SOFTMAX, input=Input.SOFTMAX),
    ("binary_cross_entropy_with_logits", "BCEWithLogitsLoss"): Convention(objective=BINARY),
    ("binary_cross_entropy", "BCELoss"): Convention(objective=BINARY, input=Input.SIGMOID),
    ("mse_loss", "MSELoss"): Convention(target=ONE_HOT, output=Output.ELEMENTWISE),
}
_JAX = {
    ("softmax_cross_entropy", "safe_softmax_cross_entropy"): Convention(objective=SOFTMAX, target=ONE_HOT),
    ("softmax_cross_entropy_with_integer_labels",): Convention(objective=SOFTMAX, target=INDEX),
    ("sigmoid_binary_cross_entropy",): Convention(objective=BINARY),
    ("log_softmax",): LOG_SOFTMAX,
    ("log",): replace(LOG_SOFTMAX, input=Input.SOFTMAX),
}
_KERAS_LOSS = Convention(order=Order.TARGET_FIRST, takes_probabilities=True, takes_columns=True)
_KERAS = {
    ("categorical_crossentropy", "CategoricalCrossentropy"): replace(_KERAS_LOSS, objective=SOFTMAX, target=ONE_HOT),
    ("sparse_categorical_crossentropy", "SparseCategoricalCrossentropy"): replace(_KERAS_LOSS, objective=SOFTMAX, target=INDEX),
    ("binary_crossentropy", "BinaryCrossentropy"): replace(_KERAS_LOSS, objective=BINARY),
    ("categorical_focal_crossentropy", "CategoricalFocalCrossentropy"): replace(
        _KERAS_LOSS, objective=FOCAL_LOSS, target=ONE_HOT, defaults=(("gamma", 2.0),), alpha=0.25
    ),
    ("log_softmax",): LOG_SOFTMAX,
    ("log",): replace(LOG_SOFTMAX, input=Input.SOFTMAX),
}
_TENSORFLOW = {
    **_KERAS,
    ("softmax_cross_entropy_with_logits",): Convention(objective=SOFTMAX, target=ONE_HOT),
    ("sparse_softmax_cross_entropy_with_logits",): Convention(objective=SOFTMAX, target=INDEX),
    ("sigmoid_cross_entropy_with_logits",): Convention(objective=BINARY),
}
CONVENTIONS: dict[str, dict[str, Convention]] = {
    adapter: {name: convention for names, convention in table.items() for name in names}
    for adapter, table in (("torch", _TORCH), ("jax", _JAX), ("keras", _KERAS), ("tensorflow", _TENSORFLOW))
}
_UNLISTED = {"keras": Convention(takes_columns=True)}  # for an adapter's functions that are in no table
CONVENTION_KEYS = ("input", "output", "target", "order")
_OBJECTIVE_OF_INPUT = {Input.SIGMOID: BINARY, Input.SOFTMAX: SOFTMAX, Input.LOG_SOFTMAX: SOFTMAX}
_OBJECTIVE_OF_OPTION = {objective.needed[0]: objective for objective in OBJECTIVES.values() if objective.needed}
_SQUARED_ERROR = {Input.SIGMOID: SIGMOID_MEAN_SQUARED_ERROR, Input.SOFTMAX: SOFTMAX_MEAN_SQUARED_ERROR}


def find_convention(name: ExternalName, loaded: Any = None) -> Convention:
    """Return how an external loss is called: as its table says, changed by the parameters of its name.

    `loaded` is the function, class or instance, if it is loaded; an instance is called as its class is.
    """
    table, default = CONVENTIONS.get(name.adapter, {}), _UNLISTED.get(name.adapter, Convention())
    convention = table.get(name.last) or table.get(type(loaded).__name__, default)
    given = name.get("from_logits")
    from_logits = str(getattr(loaded, "from_logits", None)) if given is None else given
    if from_logits not in {"None", "True", "False"}:
        raise UsageError(f"from_logits={from_logits} in '{name.text}' is neither True nor False")
    if convention.takes_probabilities and from_logits != "True":
        convention = replace(convention, input=Input.SIGMOID if convention.objective == BINARY else Input.SOFTMAX)
    convention = replace(
        convention,
        input=_word(Input, name, "input", convention.input),
        output=_word(Output, name, "output", convention.output),
        target=_word(TargetForm, name, "target", convention.target),
        order=_word(Order, name, "order", convention.order),
    )
    if convention.objective is not None:
        return convention
    return replace(convention, objective=_guess_objective(name, convention))


def is_listed(name: ExternalName) -> bool:
    """Whether a table says how the function is called."""
    return name.last in CONVENTIONS.get(name.adapter, {})


def _guess_objective(name: ExternalName, convention: Convention) -> Objective | None:
    if name.last in ("mse_loss", "MSELoss"):
        if convention.input not in _SQUARED_ERROR:
            raise UsageError(f"'{name.text}' needs input=softmax or input=sigmoid")
        return _SQUARED_ERROR[convention.input]
    for key, objective in _OBJECTIVE_OF_OPTION.items():
        if name.get(key) is not None:
            return objective
    return None


def suggest_objective(convention: Convention) -> Objective | None:
    """Return what a function of such an input most likely computes, unless the request says otherwise."""
    return _OBJECTIVE_OF_INPUT.get(convention.input)


Word = TypeVar("Word", bound=StrEnum)
Default = TypeVar("Default")


def _word(words: type[Word], name: ExternalName, key: str, default: Default) -> Word | Default:
    text = name.get(key)
    if text is None:
        return default
    if text not in [word.value for word in words]:
        raise unknown_name(key, text, [word.value for word in words])
    return words(text)
