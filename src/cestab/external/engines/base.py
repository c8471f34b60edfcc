"""What every framework's adapter provides, and how an external function becomes a loss of logits and target in it."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from cestab.external.conventions import Convention, Input, Order, Output
from cestab.external.names import ExternalName, choose
from cestab.numerics.formats import Format
from cestab.vocabulary.external import GradientSource
from cestab.vocabulary.loss_options import LossOptions, Reduction

Numbers = npt.NDArray[Any]
# logits (rows, classes) or (rows,), target, upstream factors → loss and upstream·gradient; None without a gradient
# Upstream factors: one per row, or one; a loss of one number takes the first.
Step = Callable[[Numbers, Numbers, Numbers], tuple[Numbers, Numbers | None]]
Loss = Callable[[Any, Any], Any]  # of a framework's arrays
TARGET_NAMES = {"y_true", "labels", "label", "target", "targets", "y", "true"}


class UnsupportedError(Exception):
    """What the external loss, its framework or its mode does not compute: the verdict is `unsupported`, not a defect."""


class ExternalError(Exception):
    """An external loss could not be evaluated: it raised, hung, died, or returned what is no loss."""


class LostProcessError(ExternalError):
    """It did not return in time, ended its process, or needed too much memory: what is asked once is not asked again."""


class OtherObjectiveError(Exception):
    """An external loss is another function than the objective."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where an external loss runs: the parameters of its name that the adapter reads."""

    device: str
    mode: str
    layout: str
    backend: str


class Engine(ABC):
    """One framework: its arrays, its differentiation. `inputs` are applied in the framework, in the dtype."""

    packages: ClassVar[tuple[str, ...]]  # whose versions a report names
    modes: ClassVar[tuple[str, ...]] = ("eager",)
    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    layouts: ClassVar[tuple[str, ...]] = ("NC",)
    backends: ClassVar[tuple[str, ...]] = ("",)
    gradient: ClassVar[GradientSource] = GradientSource.AUTOGRAD
    compiles_shapes: bool = False  # whether every new number of rows costs a compilation
    class_axis: int = 1  # of logits as the function gets them
    row_axis: int = 0  # of its losses
    arrays: tuple[type, ...] = ()  # types that a loss may have; () where the adapter checks the type
    inputs: Mapping[Input, Callable[[Any], Any]]

    def __init__(self, site: Site) -> None:
        self.site = site

    @property
    def maps_rows(self) -> bool:
        """Whether the function gets one row, (classes,) or (), and the framework maps it over the rows."""
        return self.site.mode == "vmap"

    @classmethod
    def read_site(cls, name: ExternalName) -> Site:
        """Return where an external loss is to run; a UsageError for what the adapter does not have."""
        return Site(
            device=choose(name, "device", cls.devices, cls.devices[0]),
            mode=choose(name, "mode", cls.modes, cls.modes[0]),
            layout=choose(name, "layout", cls.layouts, cls.layouts[0]),
            backend=choose(name, "backend", cls.backends, cls.backends[0]),
        )

    @abstractmethod
    def refuse(self, fmt: Format) -> str | None:
        """Return why the framework computes nothing in a format; None where it does."""

    @abstractmethod
    def convert(self, values: Numbers, fmt: Format | None) -> Any:
        """Return floats as the framework's array of a format, or (None) indices as its integers."""

    @abstractmethod
    def pick(self, log_p: Any, target: Any) -> Any:
        """Return Σ_j y_j·log p_j per row, or the entry of an index target."""

    @abstractmethod
    def reduce(self, values: Any, reduction: Reduction, axis: int) -> Any:
        """Return the mean or the sum over one axis."""

    def pull_back(self, kind: Input, x: Any, gradient: Any) -> Any:  # noqa: ARG002
        """Return the gradient by the logits, where a function returns that by its input x, which the adapter made of them."""
        raise UnsupportedError("it returns its own gradient, which this adapter does not carry back to the logits")

    @abstractmethod
    def prepare(self, loss: Loss, fmt: Format) -> Step:
        """Return the function that evaluates a loss and its gradient in a format."""

    @abstractmethod
    def flushes_subnormals(self) -> bool | None:
        """Whether exp(−100) is 0 in float32, in this mode and on this device."""

    def describe_device(self) -> str:
        """Return the device's name in a report; for a GPU, with the name of the card."""
        return self.site.device

    def threads(self) -> int | None:
        """Return how many threads one call may use; None where that is unknown."""
        return None


SITE_KEYS = ("device", "mode", "layout", "backend", "rows")  # parameters of a name that no function gets


def make_loss(function: Callable[..., Any], convention: Convention, engine: Engine, options: LossOptions) -> Loss:
    """Return the loss of the framework's arrays of logits and target; of a batch, one number."""
    transform = None if convention.input is Input.LOGITS else engine.inputs[convention.input]
    is_swapped = find_order(function, convention) is Order.TARGET_FIRST
    most_dimensions = 0 if engine.maps_rows else 1  # of the loss of each row

    def evaluate(z: Any, target: Any) -> Any:
        if convention.takes_columns and len(z.shape) == most_dimensions:
            z, target = z[..., None], target[..., None]
        x = z if transform is None else transform(z)
        if convention.output is Output.LOG_PROBABILITIES:
            value = -engine.pick(function(x), target)
        else:
            value = function(target, x) if is_swapped else function(x, target)
        _refuse_type(value, engine.arrays)
        if isinstance(value, tuple):  # a loss and its gradient, which are not reduced
            return (
                value if transform is None or len(value) != 2 else (value[0], engine.pull_back(convention.input, x, value[1]))
            )
        rank = len(getattr(value, "shape", ()))  # a plain number has none
        if convention.output is Output.ELEMENTWISE and rank > most_dimensions:
            value = engine.reduce(value, Reduction.MEAN, engine.class_axis)
        if options.batch == 1 or not rank:
            return value
        if options.reduction is Reduction.MEAN and (options.class_weights or options.ignore_index is not None):
            raise UnsupportedError("a mean counts weighted or ignored rows in ways that are not told: use --reduction sum")
        return engine.reduce(value, options.reduction, engine.row_axis)

    return evaluate


def _refuse_type(value: Any, allowed: tuple[type, ...]) -> None:
    if inspect.iscoroutine(value):
        value.close()  # one that was never awaited warns
        raise ExternalError("it returned a coroutine: an async function is not a loss")
    if allowed and not isinstance(value, allowed):
        raise ExternalError(f"it returned a {type(value).__name__}; a {allowed[0].__name__} is needed")


def find_order(function: Callable[..., Any], convention: Convention) -> Order:
    """Return which of logits and target comes first: as declared, else by the names of the parameters."""
    if convention.order is not None:
        return convention.order
    names = list(find_parameters(function))
    return Order.TARGET_FIRST if names and names[0] in TARGET_NAMES else Order.LOGITS_FIRST


def find_parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Return the declared parameters of a function or class; none where its signature is not available."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # many built-in functions
        return {}


def to_numpy(values: Any) -> Numbers:
    """Return a framework's array as float64 or float32, which hold narrower ones exactly."""
    array = np.asarray(values)
    return array if array.dtype == np.float64 else array.astype(np.float32, copy=False)


def flushes(exponential: Callable[[np.float32], Any]) -> bool:
    """Whether a framework's exp gives 0 where float32's result is subnormal: exp(−100) = 3.8e-44."""
    return not float(exponential(np.float32(-100.0))) > 0
