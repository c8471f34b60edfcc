"""The registry of formulations, and the record that each entry is."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from cestab.errors import UsageError
from cestab.numerics.arithmetic import Arithmetic
from cestab.numerics.rounding import FloatArray
from cestab.numerics.tape import Array, Tape
from cestab.numerics.target import Target
from cestab.vocabulary.loss_options import OPTION_NAMES, LossOptions
from cestab.vocabulary.objectives import OBJECTIVES, SOFTMAX_CROSS_ENTROPY, Objective
from cestab.vocabulary.recorded import Quantity


class Fused(NamedTuple):
    """A loss with a gradient that the formulation writes out itself, before the upstream factor."""

    loss: Array
    gradient: Array


Recipe = Callable[..., Array | Fused]


@dataclass(frozen=True, kw_only=True)
class Formulation:
    """One way to compute an objective and its gradient.

    `name` is as the user wrote it, parameters included. `is_contrast`: it exists to show what goes wrong, and is never
    recommended. `library`: the function of a library that computes it. `breaks_by`: what of the logits its first failure
    depends on, None where it has none, or no single one.
    `option_names` are those parameters that change the objective, fields of LossOptions.
    """

    name: str
    objective: Objective
    recipe: Recipe
    source: str
    is_contrast: bool = False
    library: str = ""
    breaks_by: Quantity | None = None
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
        """The recipe's parameters by name, with their defaults and annotations."""
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
        tape = Tape(arithmetic=arithmetic)
        loss, gradient = self.run(tape, logits, target, upstream)
        tape.records.clear()  # its arrays hold the tape, which would keep every intermediate value until collected
        return loss.value.reshape(-1), gradient.value


def _refuse_no_loss(loss: object, cases: int) -> None:
    """Raise an error for the author of a recipe that returns no loss."""
    if not isinstance(loss, Array):
        raise TypeError(f"a formulation returns an Array, or Fused, not {type(loss).__name__}")
    if loss.value.size != cases:
        raise ValueError(f"a formulation returns a loss of shape ({cases},), not {loss.value.shape}")


FORMULATIONS: dict[str, Formulation] = {}
ADDED: dict[str, Formulation] = {}  # by users: they have a name, but no family


def formulation(
    objective: Objective,
    *,
    source: str,
    is_contrast: bool = False,
    library: str = "",
    breaks_by: Quantity | None = None,
    options: tuple[str, ...] = (),
) -> Callable[[Recipe], Recipe]:
    """Register the decorated recipe under its name, underscores as dashes.

    `options` names those of its parameters that change the objective.
    """

    def register(recipe: Recipe) -> Recipe:
        name = recipe.__name__.replace("_", "-")
        FORMULATIONS[name] = Formulation(
            name=name,
            objective=objective,
            recipe=recipe,
            source=source,
            is_contrast=is_contrast,
            library=library,
            breaks_by=breaks_by,
            option_names=options,
        )
        return recipe

    return register


def add_formulation(recipe: Recipe) -> Recipe:
    """Register a user's recipe of softmax cross-entropy under its name, underscores as dashes.

    Parameters with the name of an option of an objective change the truth, as in the name of an external loss.
    """
    name = recipe.__name__.replace("_", "-")
    if name in FORMULATIONS:
        raise UsageError(f"'{name}' is a formulation of cestab's own; give yours another name")
    added = Formulation(name=name, objective=SOFTMAX_CROSS_ENTROPY, recipe=recipe, source=recipe.__module__)
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
    return {o: tuple(f.name for f in FORMULATIONS.values() if f.objective == o) for o in OBJECTIVES.values()}


def find_recipe(function: object) -> Formulation | None:
    """Return the registered formulation whose recipe a function is; None where it is none."""
    return next((entry for entry in (FORMULATIONS | ADDED).values() if entry.recipe is function), None)
