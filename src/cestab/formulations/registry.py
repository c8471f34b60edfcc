"""The registry of formulations, and how a name with parameters finds its entry."""

import inspect
import math
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from cestab.errors import UsageError, unknown_name
from cestab.numerics.arithmetic import Arithmetic
from cestab.numerics.rounding import FloatArray
from cestab.numerics.tape import Array, Tape
from cestab.numerics.target import Target
from cestab.vocabulary.kinds import FindingKind, Objective
from cestab.vocabulary.loss_options import OPTION_NAMES, LossOptions


class Fused(NamedTuple):
    """A loss with a gradient that the formulation writes out itself, before the upstream factor."""

    loss: Array
    gradient: Array


Recipe = Callable[..., Array | Fused]


@dataclass(frozen=True)
class Formulation:
    """One way to compute an objective and its gradient.

    `name` is as the user wrote it, parameters included; `causes` says in words why the recipe gets a kind of finding.
    `option_names` are those parameters that change the objective, fields of LossOptions.
    """

    name: str
    objective: Objective
    recipe: Recipe
    source: str
    causes: Mapping[FindingKind, str]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    option_names: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """First line of the recipe's docstring."""
        return (inspect.getdoc(self.recipe) or "").splitlines()[0]

    @property
    def options(self) -> LossOptions:
        """The options of the objective, given or by default."""
        declared = self.defaults()
        given: dict[str, Any] = {name: self.parameters.get(name, declared[name].default) for name in self.option_names}
        lists = {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
        return LossOptions(**(given | lists))

    def with_options(self, options: LossOptions) -> "Formulation | None":
        """Return the formulation with these options of the objective, None where it has no such parameters."""
        given = {name: getattr(options, name) for name in self.option_names}
        text = ",".join(f"{name}={value!r}" for name, value in given.items() if value != getattr(self.options, name))
        other = replace(self, name=f"{self.name}:{text}" if text else self.name, parameters={**self.parameters, **given})
        return other if other.options == options else None

    def with_weights(self, options: LossOptions) -> "Formulation":
        """Return the formulation with the class weights of the options, which are rounded to the dtype as the truth's are."""
        if not options.class_weights or "class_weights" not in self.parameters:
            return self
        return replace(self, parameters={**self.parameters, "class_weights": options.class_weights})

    def defaults(self) -> dict[str, inspect.Parameter]:
        """Its parameters by name, with their defaults and annotations."""
        declared = inspect.signature(self.recipe).parameters.values()
        return {p.name: p for p in declared if p.kind is inspect.Parameter.KEYWORD_ONLY}

    def run(self, tape: Tape, logits: FloatArray, target: Target, upstream: float) -> tuple[Array, Array]:
        """Return loss (cases,) and upstream·gradient (classes, cases) on the tape.

        `upstream` must be a number of the compute format. Logits are numbers of the compute format in its storage type.
        """
        z = tape.variable(logits, "z")
        result = self.recipe(z, target, **self.parameters)
        _refuse_no_loss(result.loss if isinstance(result, Fused) else result, logits.shape[1])
        if not isinstance(result, Fused):
            return result, tape.gradient(result, z, tape.constant(upstream))
        return result.loss, result.gradient if upstream == 1.0 else result.gradient * upstream

    def evaluate(
        self, logits: FloatArray, target: Target, arithmetic: Arithmetic, upstream: float
    ) -> tuple[FloatArray, FloatArray]:
        """Return loss (cases,) and upstream·gradient (classes, cases) as computed in `arithmetic`."""
        tape = Tape(arithmetic)
        loss, gradient = self.run(tape, logits, target, upstream)
        tape.records.clear()  # its arrays hold the tape, which would keep every intermediate value until collected
        return loss.value.reshape(-1), gradient.value


def _refuse_no_loss(loss: object, cases: int) -> None:
    """Raise what tells the author of a recipe that it returns no loss."""
    if not isinstance(loss, Array):
        raise TypeError(f"a formulation returns an Array, or Fused, not {type(loss).__name__}")
    if loss.value.size != cases:
        raise ValueError(f"a formulation returns a loss of shape ({cases},), not {loss.value.shape}")


FORMULATIONS: dict[str, Formulation] = {}
HIGHEST_EPS = 0.5  # where 1 − eps meets it
ADDED: dict[str, Formulation] = {}  # by users: found by name, but of no family


def formulation(
    objective: Objective,
    *,
    source: str,
    causes: Mapping[FindingKind, str] | None = None,
    options: tuple[str, ...] = (),
) -> Callable[[Recipe], Recipe]:
    """Register the decorated recipe under its own name, underscores as dashes.

    `options` names those of its parameters that change the objective.
    """

    def register(recipe: Recipe) -> Recipe:
        name = recipe.__name__.replace("_", "-")
        FORMULATIONS[name] = Formulation(name, objective, recipe, source, causes or {}, option_names=options)
        return recipe

    return register


def add_formulation(recipe: Recipe) -> Recipe:
    """Register a user's recipe of softmax cross-entropy under its own name, underscores as dashes.

    Those of its parameters that have the name of an option of an objective change the truth, as they do in a target's name.
    """
    name = recipe.__name__.replace("_", "-")
    if name in FORMULATIONS:
        raise UsageError(f"'{name}' is a formulation of cestab's own; give yours another name")
    added = Formulation(name, Objective.SOFTMAX_CROSS_ENTROPY, recipe, recipe.__module__, {})
    added = replace(added, option_names=tuple(key for key in added.defaults() if key in OPTION_NAMES))
    try:
        _ = added.options
    except TypeError:
        defaults = ", ".join(f"{key}={added.defaults()[key].default!r}" for key in added.option_names)
        raise UsageError(f"the defaults of '{name}' are no options of a loss: {defaults}") from None
    ADDED[name] = added
    return recipe


def families() -> dict[Objective, tuple[str, ...]]:
    """Names of the registered formulations by objective, in the order of registration."""
    return {o: tuple(f.name for f in FORMULATIONS.values() if f.objective is o) for o in Objective}


def find_formulation(text: str) -> Formulation:
    """Return the formulation that `NAME[:key=value,…]` names, with those parameters."""
    name, _, options = text.partition(":")
    if "," in name.strip(","):
        raise UsageError(f"'{text}' looks like a list; repeat the option: {' '.join(f'-f {part}' for part in text.split(','))}")
    known = FORMULATIONS | ADDED
    if name not in known:
        raise unknown_name("formulation", name, [known for family in families().values() for known in family])
    return with_parameters(known[name], text, options)


def with_parameters(found: Formulation, text: str, options: str) -> Formulation:
    """Return a formulation under the name `text`, with the parameters that `key=value,…` gives."""
    name, declared = found.name, found.defaults()
    parameters = {}
    for option in options.split(",") if options else []:
        key, equals, value = option.partition("=")
        if not equals and key in FORMULATIONS:
            raise UsageError(
                f"'{text}' holds a second formulation; repeat the option: -f {text.split(',', maxsplit=1)[0]} -f {key}"
            )
        if not declared:
            raise UsageError(f"formulation '{name}' has no parameters, so '{option}' means nothing")
        if key not in declared:
            raise unknown_name(f"parameter of {name}", key, declared)
        if not equals:
            raise UsageError(f"'{text}' gives {key} no value, e.g. {key}={declared[key].default}")
        if key in parameters:
            raise UsageError(f"'{text}' gives {key} twice")
        reader = _READERS.get(key) if key in found.option_names else None
        parameters[key] = _parse_parameter(found.recipe, declared[key], value) if reader is None else reader(key, value)
        if isinstance(parameters[key], float) and key not in found.option_names:  # LossOptions looks at those itself
            _check_number(key, value, parameters[key], is_eps=found.name not in ADDED)
    given = replace(found, name=text, parameters=parameters)
    _ = given.options  # raises what LossOptions refuses
    return given


def _read_weights(name: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(":"))
    except ValueError:
        raise UsageError(f"{name}={text} are not numbers with colons between, e.g. 0.2:0.8") from None


def _read_index(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"{name}={text} is not a whole number") from None


_READERS: Mapping[str, Callable[[str, str], Any]] = {"class_weights": _read_weights, "ignore_index": _read_index}


def _parse_parameter(recipe: Recipe, declared: inspect.Parameter, text: str) -> Any:
    """Return the value of a parameter: a choice, a positive integer, or a number, NaN for a text that is none."""
    annotation = _find_type(recipe, declared)
    choices = typing.get_args(annotation)
    if choices:
        if text not in choices:
            raise unknown_name(f"value of {declared.name}", text, choices)
        return text
    try:
        value = annotation(text)
    except ValueError:
        value = math.nan
    if annotation is int and not value >= 1:
        raise UsageError(f"{declared.name}={text} is not a whole number of at least 1")
    return value


def _check_number(name: str, text: str, value: float, *, is_eps: bool) -> None:
    """Refuse what is no number; of cestab's own, which are clips and guards, what is not from 0 up to 0.5."""
    if is_eps and not 0 <= value < HIGHEST_EPS:
        raise UsageError(f"{name}={text} is not a number from 0 up to {HIGHEST_EPS}")
    if math.isnan(value):
        raise UsageError(f"{name}={text} is not a number")


def _find_type(recipe: Recipe, declared: inspect.Parameter) -> Any:
    """Return a parameter's annotation; where there is none, or it names what only type checkers import, its default's type."""
    try:
        return typing.get_type_hints(recipe)[declared.name]
    except (KeyError, NameError):
        return type(declared.default)


def find_recipe(function: object) -> Formulation | None:
    """Return the registered formulation whose recipe a function is; None where it is none."""
    return next((known for known in (FORMULATIONS | ADDED).values() if known.recipe is function), None)
