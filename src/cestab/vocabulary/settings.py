"""Settings with their verdicts and evidence."""

from collections.abc import Iterable
from dataclasses import dataclass

from cestab.vocabulary.external import ExternalFacts
from cestab.vocabulary.kinds import Coverage, FindingKind, Summation, Verdict
from cestab.vocabulary.loss_options import NO_OPTIONS, LossOptions
from cestab.vocabulary.objectives import Objective
from cestab.vocabulary.phrases import show_classes
from cestab.vocabulary.recorded import Effect, Headroom


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in the cases something was seen: a magnitude t of a sweep or a row of a file.

    `position` orders places: the float's ordinal in its format, or the row. `decimal` reads back to `value` in the
    format; `hexadecimal` is exact (None for rows). `ulps` is the error there, None where it does not exist. `index`: the
    row's number along each axis of the logits but that of the classes. `pair`: both logits of a pair, of which the rest
    describes the larger magnitude.
    """

    position: int
    value: float
    decimal: str
    hexadecimal: str | None = None
    ulps: float | None = None
    reproduce: str | None = None
    index: tuple[int, ...] = ()
    pair: "tuple[Place, Place] | None" = None

    def noted(self, *, ulps: float | None = None, reproduce: str | None = None) -> "Place":
        """Return the place with an error or a command line, several times faster than `replace` does."""
        return Place(
            position=self.position,
            value=self.value,
            decimal=self.decimal,
            hexadecimal=self.hexadecimal,
            ulps=ulps,
            reproduce=reproduce,
            index=self.index,
            pair=self.pair,
        )

    def __str__(self) -> str:
        """Return t, the pair, or the row, with its index where the logits have more axes than those of rows and classes."""
        if self.pair is not None:
            return f"({self.pair[0].decimal}, {self.pair[1].decimal})"
        if self.hexadecimal is not None:
            return self.decimal
        return f"row {self.position}" + (f" ({', '.join(map(str, self.index))})" if len(self.index) > 1 else "")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """All cases of one setting that have one kind of defect.

    Of a sweep, `first` is the nearer to 0 of the firsts on either side of it; 0 counts as positive. `is_at_most`: floats
    nearer to 0 were not all tried, and some of them may have the finding.
    """

    kind: FindingKind
    cases: int
    first: Place
    lowest: Place
    highest: Place
    worst: Place
    first_positive: Place | None = None
    first_negative: Place | None = None
    is_at_most: bool = False

    @property
    def relation(self) -> str:
        """What stands between |t| and where it begins."""
        return "≤" if self.is_at_most else "="


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A maximal range of t with one hard outcome of loss and gradient; both ends belong to it."""

    start: Place
    stop: Place
    loss: FindingKind | None
    gradient: FindingKind | None


@dataclass(frozen=True, kw_only=True)
class LargestError:
    """The largest errors of a setting in ulps of the format, and where, and the largest relative ones.

    None where no finite pair was seen. Relative: |L̂ − L|/max(1, |L|), and ‖ĝ − g‖₁/‖g‖₁ of gradients that the format holds.
    """

    loss: Place | None
    gradient: Place | None
    loss_relative: float | None = None
    gradient_relative: float | None = None


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What was decided again in ball arithmetic: how many figures, and numbers between which the largest errors are."""

    figures: int
    loss_ulps: tuple[float, float] | None
    gradient_ulps: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """The largest relative errors in a bin of t, as in LargestError, and the place of the larger one."""

    place: Place
    loss_relative: float | None
    gradient_relative: float | None


@dataclass(frozen=True, kw_only=True)
class RoundingCost:
    """What rounding recorded logits to the format costs before anything is computed: largest changes of the truth."""

    loss: Place | None
    loss_change: float
    gradient: Place | None
    gradient_change: float


@dataclass(frozen=True, kw_only=True)
class Setting:
    """All that is fixed while t moves (`pattern` and `target` are None for recorded logits)."""

    formulation: str
    objective: Objective
    dtype: str
    compute: str
    summation: Summation
    pattern: str | None
    classes: int
    target: str | None
    loss_scale: float
    options: LossOptions = NO_OPTIONS

    def __str__(self) -> str:
        return f"{self.formulation}, {self.describe()}"

    def describe(self) -> str:
        """Return all of it except the formulation in words; defaults are left out."""
        case = (self.pattern, show_classes(self.classes), self.target)
        return ", ".join([self.dtype, *(word for word in case if word), *self.unusual()])

    def unusual(self) -> list[str]:
        """Return in words what differs from the defaults of the arithmetic."""
        words = [f"computed in {self.compute}"] if self.compute != self.dtype else []
        words += [f"{self.summation} sums"] if self.summation is not Summation.WIDE else []
        words += [f"loss scale {self.loss_scale!r}".removesuffix(".0")] if self.loss_scale != 1 else []
        words += [f"{self.options.reduction} of {self.options.batch} rows"] if self.options.batch > 1 else []
        return words


@dataclass(frozen=True, kw_only=True)
class SettingResult:
    """A setting's verdict and its evidence.

    `cells` of pairs: a row for each bin of the first logit, a letter of a mark for each of the second, from the smallest on.
    """

    setting: Setting
    verdict: Verdict
    cases: int
    undefined: int
    ties: int
    coverage: Coverage
    findings: tuple[Finding, ...]
    largest_error: LargestError
    intervals: tuple[Interval, ...] = ()
    interval_count: int = 0
    unrefined_boundaries: int = 0
    curve: tuple[CurvePoint, ...] = ()
    cells: tuple[str, ...] = ()
    certificate: Certificate | None = None
    worst_rows: tuple[Place, ...] = ()
    rounding_cost: RoundingCost | None = None
    headroom: Headroom | None = None
    effect: Effect | None = None
    reason: str | None = None

    @property
    def is_wholly_judged(self) -> bool:
        """Whether loss and gradient were judged; `reason` says why not."""
        return self.verdict.is_judged and self.reason is None


def find_worst(results: Iterable[SettingResult]) -> Finding | None:
    """Return the finding of worst severity that begins at the smallest |t|; None without findings."""
    findings = [finding for result in results for finding in result.findings]
    return min(findings, key=lambda f: (-f.kind.severity.rank, abs(f.first.value)), default=None)


def explain_unjudged(results: Iterable[SettingResult]) -> str:
    """Return why settings could not be judged, each reason once."""
    reasons = dict.fromkeys(result.reason for result in results if result.reason)
    return "; ".join(reasons) or "no case has a true value in these formats"


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What the numbers may depend on; `simd`: the instruction sets that NumPy uses, as their exp and log differ a little."""

    python: str
    numpy: str
    platform: str
    cpu: str
    simd: tuple[str, ...] = ()
    targets: tuple[ExternalFacts, ...] = ()
