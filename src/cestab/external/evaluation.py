"""Evaluate an external loss on a block of cases: shapes, rows per call, one-hot targets, batches. Runs in the worker."""

import math
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from importlib import metadata
from typing import Any

import numpy as np

from cestab.errors import OptionName, UsageError
from cestab.external.batches import make_batch, spread_factors
from cestab.external.conventions import Output, TargetForm, find_convention
from cestab.external.declared import list_passed, make_call
from cestab.external.engines.base import (
    Engine,
    ExternalError,
    Numbers,
    Step,
    UnsupportedError,
    find_order,
    make_loss,
)
from cestab.external.names import ExternalName
from cestab.formulations.registry import Formulation
from cestab.numerics.arithmetic import Arithmetic, reduce_rows
from cestab.numerics.formats import Format
from cestab.numerics.target import DenseTarget, Target
from cestab.vocabulary.external import ExternalFacts, GradientSource
from cestab.vocabulary.kinds import Fp8Overflow, Summation
from cestab.vocabulary.loss_options import LossOptions

MOST_NUMBERS = 2**16  # in one call, unless `rows` says how many rows it gets
FEW_CLASSES, CLASSES_AT_ONCE = 8, 64  # that are copied one by one, or in parts
FEWEST_ROWS = 64  # below, compiled calls are padded to one shape
Tick = Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Work:
    """One block: logits (classes, cases) of the arithmetic's format in its storage type, their target, and the options.

    `upstream` is the factor on the loss, in a batch on the reduced one; `row_upstream` is that on one row, for a recipe.
    """

    arithmetic: Arithmetic
    logits: Numbers
    target: Target
    upstream: float
    options: LossOptions
    row_upstream: float = 1.0

    @property
    def fmt(self) -> Format:
        return self.arithmetic.fmt


@dataclass(kw_only=True)
class LoadedLoss:
    """An external function, class or instance with its adapter, ready to be called."""

    name: ExternalName
    loaded: Any
    engine: Engine
    steps: dict[tuple[Any, ...], Step] = field(default_factory=dict)
    reduces: bool = False  # whether it returned one number for many rows
    is_watched: bool = False  # whether a call has shown if it writes to its arguments

    def evaluate(self, work: Work, tick: Tick) -> tuple[Numbers, Numbers | None]:
        """Return loss (cases,) and upstream·gradient (classes, cases), or None; `tick` is called after every call.

        Of batches the gradient is (2·classes, cases): of the first row, and of the row that differs most from it.
        """
        self._refuse(work.arithmetic)
        is_binary = len(work.logits) == 1
        z = _to_rows(work.logits)
        target = self._target(work.target, len(work.logits))
        if is_binary:
            z, target = z[:, 0], target[:, 0]
        pieces = self._batches(work, z, target) if work.options.batch > 1 else self._rows(work, z, target)
        losses, gradients = [], []
        for loss, gradient in pieces:
            losses.append(loss.copy())  # a function may return a buffer that its next call overwrites
            if gradient is not None:
                gradients.append(gradient.reshape(len(gradient), -1).T.copy())
            tick()
        has_gradient = len(gradients) == len(losses)
        return _join(losses), _join(gradients) if has_gradient else None

    def calls_by_case(self, options: LossOptions) -> bool:
        """Whether every case takes a call, which is known once it has been called."""
        return self.reduces or options.batch > 1

    def facts(self) -> ExternalFacts:
        """Return what its numbers depend on."""
        engine = self.engine
        named_package = () if ":" in self.name.path else (self.name.path.split(".", maxsplit=1)[0],)  # optax, of optax.losses.…
        versions = [(package, _find_version(package)) for package in dict.fromkeys((*engine.packages, *named_package))]
        return ExternalFacts(
            formulation=self.name.text,
            adapter=self.name.adapter,
            versions=tuple((package, version) for package, version in versions if version is not None),
            device=engine.describe_device(),
            mode=engine.site.mode,
            gradient=engine.gradient,
            threads=engine.threads(),
            flushes_subnormals=engine.flushes_subnormals(),
            passed=list_passed(self.name, self.loaded, engine),
        )

    def _refuse(self, arithmetic: Arithmetic) -> None:
        reason = self.engine.refuse(arithmetic.fmt)
        if arithmetic.summation is not Summation.WIDE:
            reason = f"the order of its sums is its own, not {arithmetic.summation}"
        elif arithmetic.fp8_overflow is Fp8Overflow.SATURATE and not arithmetic.fmt.has_infinity:
            reason = "what becomes of a result beyond the format is its own"
        elif arithmetic.flush_subnormals:
            reason = "whether it flushes subnormals is its own"
        if reason is not None:
            raise UnsupportedError(reason)

    def _target(self, target: Target, classes: int) -> Numbers:
        """Return indices (rows,) or weights (rows, classes), as the function takes them."""
        form = find_convention(self.name, self.loaded).target
        if isinstance(target, DenseTarget):
            if form is TargetForm.INDEX:
                raise UnsupportedError(f"{self.name.last} takes class indices, no dense target")
            return _to_rows(target.weights)
        if form is not TargetForm.ONE_HOT:
            return target.index.astype(np.int64, copy=False)
        weights = np.zeros((target.index.size, classes))
        weights[np.arange(target.index.size), target.index] = 1.0
        return weights

    def _rows(self, work: Work, z: Numbers, target: Numbers) -> Iterator[tuple[Numbers, Numbers | None]]:
        """Evaluate all rows, some at a time; short calls are padded with copies of their last row."""
        size = self._rows_per_call(work)
        start = 0
        while start < len(z):
            if self.reduces:
                size = 1
            part, y = z[start : start + size], target[start : start + size]
            padded = self._padded(len(part), size)
            count = len(part)
            if count < padded:
                rows = np.minimum(np.arange(padded), count - 1)
                part, y = part[rows], y[rows]
            upstream = np.full(len(part), work.upstream)
            if not self.reduces and self.engine.gradient is GradientSource.AUTOGRAD:
                upstream *= spread_factors(part, len(work.logits), work.upstream, work.fmt)
            loss, gradient = self._call(work, part, y, upstream)
            if loss.ndim == 0 and (work.options.class_weights or work.options.ignore_index is not None):
                raise UnsupportedError("it reduces weighted or ignored rows in ways that are not told: use --batch N")
            if loss.ndim == 0 and padded > 1:
                self.reduces = True  # one call per row from now on
                continue
            loss = self._check(loss, gradient, part.shape)
            if gradient is not None:
                factors = (upstream[:count] / work.upstream).astype(gradient.dtype)
                gradient = gradient[:count] / factors.reshape(-1, *[1] * (part.ndim - 1))
            yield loss[:count], gradient
            start += count

    def _rows_per_call(self, work: Work) -> int:
        given = self.name.get("rows")
        if given is None:
            return max(1, MOST_NUMBERS // len(work.logits))
        if not given.isdecimal() or int(given) < 1:
            raise UsageError(f"rows={given} is not a whole number of at least 1")
        return int(given)

    def _padded(self, rows: int, size: int) -> int:
        """Return how many rows a call gets: `rows`, if given; compiled code gets few different numbers."""
        if self.reduces:
            return 1
        if self.name.get("rows") is not None:
            return size
        return min(size, max(FEWEST_ROWS, 2 ** math.ceil(math.log2(rows)))) if self.engine.compiles_shapes else rows

    def _batches(self, work: Work, z: Numbers, target: Numbers) -> Iterator[tuple[Numbers, Numbers | None]]:
        """Evaluate every case as a batch of rows that have its loss."""
        count, upstream = work.options.batch, np.full(1, work.upstream)
        for row, label in zip(z, target, strict=True):
            batch = make_batch(row, label, work.fmt, work.options)
            loss, gradient = self._call(work, batch.logits, batch.target, upstream)
            if loss.shape == (count,) and self.engine.gradient is GradientSource.OWN and gradient is not None:
                raise UnsupportedError(
                    "its gradients are of single rows: with --batch it has to reduce them, and the loss, itself"
                )
            if loss.size != 1:
                raise ExternalError(f"it returned a loss of shape {loss.shape} for a batch; one number is needed")
            if gradient is not None and gradient.shape != batch.logits.shape:
                raise ExternalError(f"it returned a gradient of shape {gradient.shape}; {batch.logits.shape} is needed")
            yield loss.reshape(1), None if gradient is None else batch.take_extremes(gradient.reshape(count, -1))

    def _check(self, loss: Numbers, gradient: Numbers | None, shape: tuple[int, ...]) -> Numbers:
        """Return a loss of shape (rows,); a ExternalError where it, or its gradient, has another."""
        rows = shape[0]
        if gradient is not None and gradient.shape != shape:
            raise ExternalError(f"it returned a gradient of shape {gradient.shape}; {shape} is needed")
        if loss.shape in ((rows,), (rows, 1)) or (loss.size == rows == 1):
            return loss.reshape(rows)
        classes = f" of {shape[1]} classes" if len(shape) > 1 else ""
        raise ExternalError(f"it returned a loss of shape {loss.shape} for {rows} cases{classes}; ({rows},) is needed")

    def _call(self, work: Work, logits: Numbers, target: Numbers, upstream: Numbers) -> tuple[Numbers, Numbers | None]:
        """Call the loss; one whose first call overwrites what it is given is reported on standard error, once."""
        step = self._step(work)
        if self.is_watched:
            return step(logits, target, upstream)
        before, self.is_watched = _fingerprint(logits, target), True
        results = step(logits, target, upstream)
        if _fingerprint(logits, target) != before:
            print(f"cestab: {self.name.text} overwrites the logits or labels that it is given", file=sys.stderr)  # noqa: T201
        return results

    def _step(self, work: Work) -> Step:
        classes = len(work.logits)
        key = (work.fmt.name, classes, work.options)
        if key not in self.steps:
            self.steps[key] = self._bind(work.fmt, classes, work.options)
        return self.steps[key]

    def _bind(self, fmt: Format, classes: int, options: LossOptions) -> Step:
        """Return the evaluation of the function, all of whose arguments except logits and target are bound."""
        convention, is_batch = find_convention(self.name, self.loaded), options.batch > 1
        if is_batch and self.engine.maps_rows:
            raise UnsupportedError("mode=vmap maps a function of one row; it has no batch")
        if is_batch and self.name.get("reduction") not in (None, "none", options.reduction.value):
            asked = OptionName("reduction", options.reduction)
            raise UsageError(f"'{self.name.text}' asks for another reduction of a batch than ", asked)
        reduction = options.reduction.value if is_batch and convention.output is Output.LOSS else "none"
        function = make_call(self.name, self.loaded, self.engine, options, fmt, classes, reduction)
        called = function if isinstance(self.loaded, type) else self.loaded
        order = find_order(getattr(called, "forward", called), convention)  # of a PyTorch module, whose call has no signature
        convention = replace(convention, order=order)
        return self.engine.prepare(make_loss(function, convention, self.engine, options), fmt)


def _to_rows(values: Numbers) -> Numbers:
    """(classes, cases) → (cases, classes) in parts: NumPy takes four times as long at once for 2, nearly twice for 1000."""
    rows = np.empty(values.shape[::-1], values.dtype)
    step = 1 if len(values) < FEW_CLASSES else CLASSES_AT_ONCE
    for start in range(0, len(values), step):
        rows[:, start : start + step] = values[start : start + step].T
    return rows


def _fingerprint(*arrays: Numbers) -> list[int]:
    """Return checksums of arrays, which take no memory."""
    return [zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data) for array in arrays]


def _join(parts: list[Numbers]) -> Numbers:
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


def _find_version(package: str) -> str | None:
    """Return an installed package's version; None for what is no package, such as a user's module."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@dataclass(frozen=True, kw_only=True)
class LoadedRecipe:
    """A function on cestab's array type: every format, rounded step by step, differentiated by the chain rule."""

    name: ExternalName
    formulation: Formulation

    def evaluate(self, work: Work, tick: Tick) -> tuple[Numbers, Numbers | None]:  # noqa: ARG002  # one call is a block
        """Return loss (cases,) and upstream·gradient (classes, cases)."""
        with np.errstate(all="ignore"):
            weighted = self.formulation.with_weights(work.options)
            loss, gradient = weighted.evaluate(work.logits, work.target, work.arithmetic, work.row_upstream)
            loss = reduce_rows(work.options, loss, work.arithmetic)
        if gradient.shape != work.logits.shape:
            raise ExternalError(f"it returned a gradient of shape {gradient.shape}; {work.logits.shape} is needed")
        return loss, gradient

    def calls_by_case(self, options: LossOptions) -> bool:  # noqa: ARG002
        """Whether every case takes a call: a block does."""
        return False

    def facts(self) -> ExternalFacts:
        """Return what its numbers depend on: NumPy, as for cestab's formulations."""
        versions = (("numpy", np.__version__),)
        return ExternalFacts(
            formulation=self.name.text,
            adapter="python",
            versions=versions,
            device="cpu",
            mode="eager",
            gradient=GradientSource.CHAIN_RULE,
            threads=None,
            flushes_subnormals=None,
        )
