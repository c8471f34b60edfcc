"""The sweeps behind the advice: a formulation in one format over the request's range, in other arithmetics or patterns."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from cestab.commands.advise.answer import Proof
from cestab.commands.sweep.run import run_group
from cestab.evaluation.plan import Plan, plan_sweep
from cestab.vocabulary.kinds import FindingKind, Summation
from cestab.vocabulary.requests import AdviseRequest, Arithmetics, LogitRange, SweepRequest
from cestab.vocabulary.settings import Finding, SettingResult

MANY_CLASSES = 64  # with more, fewer magnitudes are tried: what fails is bisected all the same
MAGNITUDES = 33
Found = tuple[SettingResult, Finding]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Sweeps of one dtype under the request's conditions."""

    request: AdviseRequest
    dtype: str
    spare: Callable[[Plan], Plan]

    @property
    def logits(self) -> LogitRange:
        """The range, with few magnitudes where there are many classes."""
        is_few = self.request.classes <= MANY_CLASSES or self.request.logits.count is not None
        return self.request.logits if is_few else replace(self.request.logits, count=MAGNITUDES)

    @property
    def patterns(self) -> tuple[str, ...]:
        return ("margin",) if self.request.objective.is_binary else ("margin", "offset")

    def sweep(
        self,
        *names: str,
        patterns: Sequence[str] = (),
        summations: Sequence[Summation] = (Summation.WIDE,),
        loss_scale: float = 1.0,
        count: int | None = None,
    ) -> list[SettingResult]:
        """Return the results of formulations for both labels; `count` is that of the magnitudes beside edge values."""
        own = self.request.arithmetics
        arithmetics: Arithmetics = replace(own, dtypes=(self.dtype,), summations=tuple(summations), loss_scales=(loss_scale,))
        sweep = SweepRequest(
            objective=self.request.objective,
            formulations=names,
            arithmetics=arithmetics,
            logits=self.logits if count is None else replace(self.logits, count=count),
            patterns=tuple(patterns) or self.patterns,
            classes=(self.request.classes,),
            targets=("correct", "wrong"),
            seed=0,
            fail_on=(),
            batch=self.request.batch,
            reduction=self.request.reduction,
            guard=self.request.guard,
        )
        return [result for plan in plan_sweep(sweep) for result in run_group(plan, self.spare).results.values()]

    def command(self, name: str, *more: str, patterns: Sequence[str] = ()) -> str:
        """Return the command line of a sweep that shows the same."""
        request = self.request
        words = ["cestab", "sweep", "-f", name, "--dtype", self.dtype]
        words += [] if request.arithmetics.compute is None else ["--compute", request.arithmetics.compute]
        if not request.objective.is_binary:
            words += ["--pattern", ",".join(patterns or self.patterns), "--classes", str(request.classes)]
        words += [] if request.batch == 1 else ["--batch", str(request.batch), "--reduction", request.reduction]
        return shlex.join([*words, *more, f"--logits={self.logits}"])


def find_first(results: Sequence[SettingResult], kinds: Sequence[FindingKind]) -> Found | None:
    """Return the finding of some kinds that begins nearest to 0."""
    found = [(result, finding) for result in results for finding in result.findings if finding.kind in kinds]
    return min(found, key=lambda pair: abs(pair[1].first.value), default=None)


def prove(found: Found) -> Proof:
    """Return a finding as a proof."""
    result, finding = found
    return Proof(
        finding=finding.kind.label,
        t=finding.first.value,
        setting=result.setting.describe(),
        reproduce=finding.first.reproduce or "",
    )


def show_place(found: Found) -> str:
    """Return e.g. `vanishing-gradient from t = 16.1`."""
    _, finding = found
    return f"{finding.kind.label} from t {finding.relation} {finding.first.value:.4g}"
