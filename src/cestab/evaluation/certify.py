"""Certificates: what a result of a sweep says, decided again in ball arithmetic alone."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cestab.evaluation.assemble import make_setting
from cestab.evaluation.blocks import Cases, Conditions
from cestab.evaluation.compute import compute
from cestab.evaluation.evaluate import exact_case, find_truth, make_cases_at
from cestab.evaluation.plan import Plan
from cestab.external.formulation import find_any_formulation
from cestab.judgement.doubtful import ExactDecision, decide_exactly
from cestab.judgement.enclosures import Enclosure, enclose_errors
from cestab.judgement.rules import KINDS
from cestab.numerics.formats import Format
from cestab.numerics.rounding import FloatArray
from cestab.truth.tiers import FLOAT64_BOUND, QUAD_BOUND
from cestab.vocabulary.settings import Certificate, Finding, Place, Setting, SettingResult

FAMILIES = {"boundary": "boundaries", "run again": "run again", "error": "errors", "finding": "findings"}
TRUTH_SLACK = 16  # times the bound of the truth, which grows with the objective and with what is subtracted


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One thing that a result says of a place, or of the whole, and what is found."""

    what: str
    place: Place | None
    said: str
    found: str

    @property
    def is_confirmed(self) -> bool:
        return self.said == self.found

    @property
    def family(self) -> str:
        """What figures of this kind are called together."""
        return next(family for words, family in FAMILIES.items() if words in self.what)


@dataclass(frozen=True, kw_only=True)
class Certified:
    """The figures of one setting, and its largest errors enclosed."""

    figures: tuple[Figure, ...]
    loss: Enclosure | None
    gradient: Enclosure | None

    @property
    def certificate(self) -> Certificate:
        ends = [None if own is None else (own.low, own.high) for own in (self.loss, self.gradient)]
        return Certificate(figures=len(self.figures), loss_ulps=ends[0], gradient_ulps=ends[1])


def find_conditions(plans: Iterable[Plan]) -> dict[Setting, Conditions]:
    """Return the conditions of every setting of a request."""
    return {make_setting(plan.conditions, name): plan.conditions for plan in plans for name in plan.formulations}


def certify_results(plans: Iterable[Plan], results: Iterable[SettingResult]) -> tuple[SettingResult, ...]:
    """Return results with certificates; a figure that is not confirmed is a defect of cestab."""
    conditions, certified = find_conditions(plans), []
    for result in results:
        if not result.verdict.is_judged:
            certified.append(result)
            continue
        own = certify(conditions[result.setting], result.setting.formulation, result)
        for figure in own.figures:
            if not figure.is_confirmed:
                where = f"{result.setting}: {figure.what} at {figure.place}"
                raise RefutedError(f"{where}: the sweep says {figure.said}, ball arithmetic {figure.found}")
        certified.append(replace(result, certificate=own.certificate))
    return tuple(certified)


class RefutedError(Exception):
    """A figure that ball arithmetic does not confirm."""


@dataclass(frozen=True, kw_only=True)
class _Decided:
    decision: ExactDecision
    loss: Enclosure | None
    gradient: Enclosure | None


def certify(conditions: Conditions, formulation: str, result: SettingResult) -> Certified:
    """Decide the boundaries, the findings and the largest errors of a result again."""
    decided = _decide(conditions, formulation, _list_positions(result))
    figures = [*_check_map(result, decided), *_check_findings(result, decided, conditions.fmt)]
    errors: list[Enclosure | None] = []
    for part, place in (("loss", result.largest_error.loss), ("gradient", result.largest_error.gradient)):
        own = None if place is None else getattr(decided[place.position], part)
        errors.append(own)
        if place is not None:
            figures.append(_check_error(f"largest error of the {part}", place, own, conditions.fmt))
    return Certified(figures=tuple(figures), loss=errors[0], gradient=errors[1])


def _list_positions(result: SettingResult) -> list[int]:
    """Return the positions that a result says something of."""
    ends = [place for interval in result.intervals for place in (interval.start, interval.stop)]
    found = [place for finding in result.findings for place in _list_places(finding).values()]
    largest = [place for place in (result.largest_error.loss, result.largest_error.gradient) if place is not None]
    return sorted({place.position for place in (*ends, *found, *largest)})


def _list_places(finding: Finding) -> dict[str, Place]:
    places = {"first": finding.first, "lowest": finding.lowest, "highest": finding.highest, "worst": finding.worst}
    sides = {"first positive": finding.first_positive, "first negative": finding.first_negative}
    return places | {name: place for name, place in sides.items() if place is not None}


def _decide(conditions: Conditions, formulation: str, positions: Sequence[int]) -> dict[int, _Decided]:
    if not positions:
        return {}
    cases = make_cases_at(conditions, np.array(positions))
    truth = find_truth(conditions, cases, precise=False)  # for s alone
    loss, gradient = compute(conditions, find_any_formulation(formulation), cases, truth)
    return {
        int(cases.positions[case]): _decide_one(
            conditions,
            cases,
            case,
            float(loss[case]),
            None if gradient is None else gradient[:, case],
            float(truth.gradient_scale[case]),
        )
        for case in range(cases.positions.size)
    }


def _decide_one(
    conditions: Conditions, cases: Cases, case: int, loss: float, gradient: FloatArray | None, s: float
) -> _Decided:
    exact = exact_case(conditions, cases, case)
    of_loss, of_gradient = enclose_errors(exact, loss, gradient, conditions.fmt)
    decision = decide_exactly(exact, loss, gradient, s, conditions.limits)
    return _Decided(decision=decision, loss=of_loss, gradient=of_gradient)


def _check_map(result: SettingResult, decided: dict[int, _Decided]) -> Iterator[Figure]:
    """Yield the hard outcomes at both ends of every interval."""
    for interval in result.intervals:
        for place in (interval.start, interval.stop):
            own = decided[place.position].decision
            found = _name(own.loss_outcome), _name(own.gradient_outcome)
            said = tuple(None if kind is None else kind.label for kind in (interval.loss, interval.gradient))
            yield Figure(what="boundary", place=place, said=_join(said), found=_join(found))


def _check_findings(result: SettingResult, decided: dict[int, _Decided], fmt: Format) -> Iterator[Figure]:
    """Yield each finding's kind at its first, lowest, highest and worst case, and the error there."""
    for finding in result.findings:
        for name, place in _list_places(finding).items():
            own = decided[place.position].decision
            found = _name(own.loss_code if finding.kind.is_loss else own.gradient_code)
            yield Figure(what=f"{name} of a finding", place=place, said=finding.kind.label, found=found or "no finding")
        if finding.worst.ulps is not None:
            own_error = getattr(decided[finding.worst.position], "loss" if finding.kind.is_loss else "gradient")
            yield _check_error("worst error of a finding", finding.worst, own_error, fmt)


def _check_error(what: str, place: Place, own: Enclosure | None, fmt: Format) -> Figure:
    """Return whether an error is within its enclosure, as near as the truth of the sweep can tell."""
    said = f"{place.ulps:.6g} ulps"
    bound = QUAD_BOUND if fmt.precision > 24 else FLOAT64_BOUND
    slack = TRUTH_SLACK * bound * 2.0**fmt.precision * max(1.0, place.ulps or 0.0)
    if own is None:
        found = "no finite pair"
    else:
        found = said if own.holds(place.ulps or 0.0, slack) else f"{own.low:.6g} to {own.high:.6g} ulps"
    return Figure(what=what, place=place, said=said, found=found)


def _name(code: int) -> str | None:
    return KINDS[code - 1].label if code else None


def _join(kinds: tuple[str | None, ...]) -> str:
    return " and ".join(kind for kind in kinds if kind is not None) or "nothing hard"
