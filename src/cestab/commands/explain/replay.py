"""One case computed three ways, step by step, and again with single steps made exact, to find what caused a finding.

`computed` is the format's arithmetic; `exact` has no rounding, no clip and no epsilon; `local` is each step without
rounding, from the computed values of the steps before it. Exact numbers have the precision that is current.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cestab.evaluation.blocks import Cases, Conditions
from cestab.evaluation.compute import Results, widen
from cestab.evaluation.evaluate import find_truth, settle
from cestab.formulations import Formulation
from cestab.judgement.judge import judge_block
from cestab.judgement.rules import KINDS
from cestab.numerics.arithmetic import Arithmetic, reduce_rows
from cestab.numerics.exact_numbers import ExactArithmetic, MixedArithmetic, to_exact_array
from cestab.numerics.formats import Format
from cestab.numerics.rounding import FloatArray
from cestab.numerics.tape import ALIAS, Array, Primitive
from cestab.numerics.trace import TracingTape
from cestab.truth.tiers import Truth
from cestab.vocabulary.kinds import FindingKind

BEYOND = (FindingKind.OVERFLOWING_LOSS, FindingKind.OVERFLOWING_GRADIENT)
_MOST_BITS = 2**17  # for all classes together, that 1 − p needs beyond the format's precision: these take under a second
MakeArithmetic = Callable[[Format], Arithmetic]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Findings of a single case in the order loss, gradient, with their errors in ulps (NaN where there is none)."""

    kinds: tuple[FindingKind | None, FindingKind | None]
    loss_ulps: float
    gradient_ulps: float

    @property
    def findings(self) -> tuple[FindingKind, ...]:
        return tuple(kind for kind in self.kinds if kind is not None)

    def worst(self) -> FindingKind | None:
        """Return the finding of worst severity, of equal ones the first that is decided."""
        return self.worst_of(self.findings)

    def culpable(self) -> FindingKind | None:
        """Return the worst finding that an operation is to blame for, without those whose truth is beyond the format."""
        return self.worst_of([kind for kind in self.findings if kind not in BEYOND])

    @staticmethod
    def worst_of(findings: Iterable[FindingKind]) -> FindingKind | None:
        """Return the worst of some findings."""
        return min(findings, key=lambda kind: (-kind.severity.rank, KINDS.index(kind)), default=None)

    def rank(self) -> tuple[int, float]:
        """Sort key: the worst severity, then the larger error in whole ulps; the smallest is the best."""
        worst, errors = self.worst(), (self.loss_ulps, self.gradient_ulps)
        ulps = max(math.ceil(error) if math.isfinite(error) else math.inf for error in errors)
        return -1 if worst is None else worst.severity.rank, ulps

    def has_lost(self, finding: FindingKind) -> bool:
        """Whether the loss or the gradient, whichever the finding is about, has no finding left that is as severe."""
        kind = self.kinds[0 if finding.is_loss else 1]
        return kind is None or kind.severity.rank < finding.severity.rank


def judge_case(conditions: Conditions, cases: Cases, results: Results, truth: Truth) -> Judged:
    """Judge the results of a single case."""
    judgement = judge_block(*results, truth, conditions.limits)
    settle(conditions, cases, results, judgement, judge_block)
    codes = int(judgement.loss_codes[0]), int(judgement.gradient_codes[0])
    kinds = KINDS[codes[0] - 1] if codes[0] else None, KINDS[codes[1] - 1] if codes[1] else None
    return Judged(kinds=kinds, loss_ulps=float(judgement.loss_ulps[0]), gradient_ulps=float(judgement.gradient_ulps[0]))


def find_precision(conditions: Conditions, cases: Cases) -> int:
    """Return the bits in which the exact computation of a case separates 1 − exp(−|z|) from 1, for |z| up to 2^17/classes."""
    largest = float(np.max(np.abs(cases.logits), where=np.isfinite(cases.logits), initial=0))
    extra = min(2 * largest / math.log(2), _MOST_BITS / len(cases.logits))
    return ExactArithmetic(fmt=conditions.compute).precision_bits + math.ceil(extra)


@dataclass(frozen=True, kw_only=True)
class Run:
    """A tape with the loss and the gradient that it ends in."""

    tape: TracingTape
    loss: Array
    gradient: Array


@dataclass(frozen=True, kw_only=True)
class Replay:
    """One case of one formulation; `cases` holds only this case."""

    conditions: Conditions
    formulation: Formulation
    cases: Cases

    @cached_property
    def computed(self) -> Run:
        return self._run(self.conditions.arithmetic, {})

    @cached_property
    def exact(self) -> Run:
        return self._run(lambda fmt: ExactArithmetic(**vars(self.conditions.arithmetic(fmt))), {})

    @cached_property
    def local(self) -> Run:
        """The run whose tape's `results` are local; its steps hold the computed values."""
        computed_values = {index: step.value for index, step in enumerate(self.computed.tape.steps)}
        return self._run(lambda fmt: ExactArithmetic(**vars(self.conditions.arithmetic(fmt)), is_guarded=True), computed_values)

    @cached_property
    def judged(self) -> Judged:
        return self.judge(self.computed.loss.value, self.computed.gradient.value)

    def steps(self, finding: FindingKind | None = None) -> list[int]:
        """Return the indices of the steps on which loss or gradient depend, without those that only rename a value.

        With a finding, only of those on which its loss or its gradient depends.
        """
        run = self.computed
        results = [run.loss, run.gradient] if finding is None else [run.loss if finding.is_loss else run.gradient]
        return [index for index in sorted(run.tape.ancestors(*results)) if run.tape.steps[index].operation != ALIAS]

    def judge(self, loss: FloatArray, gradient: FloatArray) -> Judged:
        """Judge a loss (one number) and a gradient (classes, 1), numbers of the format."""
        return judge_case(self.conditions, self.cases, (loss.reshape(-1), gradient), self.truth)

    def with_exact(self, index: int, places: Sequence[int | None]) -> Judged:
        """Judge the case with some entries of one step's result exact and everything after it computed from them."""

        def mixed(fmt: Format) -> Arithmetic:
            return MixedArithmetic(**vars(self.conditions.arithmetic(fmt)))

        value = to_exact_array(self.computed.tape.steps[index].value)
        for place in places:
            value.reshape(-1)[place or 0] = self.exact.tape.steps[index].value.reshape(-1)[place or 0]
        run = self._run(mixed, {index: value})
        back = mixed(self.conditions.fmt)
        return self.judge(back.round(run.loss.value), back.round(run.gradient.value))

    def _run(self, make: MakeArithmetic, replaced: Mapping[int, FloatArray]) -> Run:
        conditions, fmt = self.conditions, self.conditions.fmt
        with np.errstate(all="ignore"):
            tape = TracingTape(arithmetic=make(conditions.compute), replaced=replaced)
            loss, gradient = self.formulation.run(tape, *widen(conditions, self.cases), conditions.upstream)
            if conditions.options.batch > 1:
                reduced = reduce_rows(conditions.options, loss.value, tape.arithmetic)
                words = f"{conditions.options.reduction} of {conditions.options.kept_rows} rows of {{}}"
                loss = tape.record(Primitive(words, adds_rows=True), reduced, (loss,))
            if conditions.compute != fmt:
                back, conversion = make(fmt), Primitive(f"{{}} in {fmt.name}", is_conversion=True)
                loss = tape.record(conversion, back.round(loss.value), (loss,))
                gradient = tape.record(conversion, back.round(gradient.value), (gradient,))
        return Run(tape=tape, loss=loss, gradient=gradient)

    @cached_property
    def truth(self) -> Truth:
        return find_truth(self.conditions, self.cases, precise=True)
