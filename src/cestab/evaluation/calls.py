"""Losses that are called once per case, which takes long: their settings are sampled, and the calls are counted beforehand."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from cestab.evaluation.plan import Plan
from cestab.evaluation.recognition import refuse_other_objective
from cestab.external.engines.base import ExternalError, OtherObjectiveError, UnsupportedError
from cestab.external.formulation import ExternalFormulation, find_any_formulation
from cestab.external.process.client import calls_by_case
from cestab.vocabulary.kinds import Coverage
from cestab.vocabulary.phrases import show_count


@dataclass(frozen=True, kw_only=True)
class CallCounter:
    """The plans of a request; `announce` gets a sentence for each loss that is called once per case, before the first of them.

    Of batches that is every external loss, as each case is a batch; else one that returns one number for many rows.
    """

    plans: Sequence[Plan]
    announce: Callable[[str], Any]
    announced: set[tuple[str, int]] = field(default_factory=set)

    def spare(self, plan: Plan) -> Plan:
        """Return a plan, sampled if it has such a loss; after Ctrl-C in a call with the formulations before that one."""
        names = plan.formulations
        external = {name: f for name in names if isinstance(f := find_any_formulation(name), ExternalFormulation)}
        by_case: list[str] = []
        for name, formulation in external.items() if plan.unsupported is None else ():
            try:
                if _is_called_by_case(plan, formulation):
                    by_case.append(name)
            except KeyboardInterrupt:
                names = names[: names.index(name)]
                break
        for name in by_case:
            self._announce(name, plan.conditions.options.batch)
        return replace(plan, formulations=names, coverage=Coverage.SAMPLED if by_case else plan.coverage)

    def _announce(self, name: str, batch: int) -> None:
        if (name, batch) in self.announced:
            return
        self.announced.add((name, batch))
        count = sum(plan.sampled.size for plan in self.plans if name in plan.formulations and plan.unsupported is None)
        why = f"each a batch of {batch} rows" if batch > 1 else "as it returns one number for many rows"
        self.announce(
            f"{name} is called once for each case, {why}: {show_count(count, 'call')} and those that boundaries take; "
            "--logits LO:HI:N tries other numbers of magnitudes"
        )


def _is_called_by_case(plan: Plan, formulation: ExternalFormulation) -> bool:
    conditions = plan.conditions
    with suppress(ExternalError, UnsupportedError, OtherObjectiveError):
        refuse_other_objective(conditions, formulation, conditions.classes)  # its first calls
        return calls_by_case(formulation.parsed, conditions.options, conditions.guard)
    return False
