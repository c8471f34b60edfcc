"""The frozen values that every layer passes around: kinds of findings, requests and reports. No computation."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum

from cestab.errors import ExitStatus


class Severity(StrEnum):
    """How bad a finding is."""

    NOTE = "note"
    WARN = "warn"
    FAIL = "fail"


class Verdict(StrEnum):
    """Worst severity of a setting (notes pass), or why there is none."""

    PASS = "pass"  # noqa: S105
    WARN = "warn"
    FAIL = "fail"
    UNDEFINED = "undefined"
    UNSUPPORTED = "unsupported"
    ERROR = "error"


class Objective(StrEnum):
    """A loss as a real function."""

    SOFTMAX_CROSS_ENTROPY = "softmax-cross-entropy"
    BINARY_CROSS_ENTROPY = "binary-cross-entropy"


class Summation(StrEnum):
    """Order of the sums over classes."""

    SEQUENTIAL = "sequential"
    PAIRWISE = "pairwise"
    WIDE = "wide"


class Fp8Overflow(StrEnum):
    """What a result beyond the largest number becomes in a format without infinity."""

    NAN = "nan"
    SATURATE = "saturate"


class Coverage(StrEnum):
    """Whether every float of the range was tried."""

    EXHAUSTIVE = "exhaustive"
    SAMPLED = "sampled"
    RECORDED = "recorded"


class FindingKind(Enum):
    """One kind of defect at one case: its name, severity and one-line summary, in the order of decision."""

    OVERFLOWING_LOSS = ("overflowing-loss", Severity.NOTE, "the true loss is beyond the format")
    OVERFLOWING_GRADIENT = ("overflowing-gradient", Severity.WARN, "the true gradient is beyond the format at this loss scale")
    NAN_LOSS = ("nan-loss", Severity.FAIL, "the loss is NaN though it has a true value")
    NAN_GRADIENT = ("nan-gradient", Severity.FAIL, "a gradient entry is NaN though it has a true value")
    INF_LOSS = ("inf-loss", Severity.FAIL, "the loss is infinite though the format could hold it")
    INF_GRADIENT = ("inf-gradient", Severity.FAIL, "a gradient entry is infinite though the format could hold it")
    VANISHING_GRADIENT = (
        "vanishing-gradient",
        Severity.FAIL,
        "every gradient entry is 0 though the format could hold the true one",
    )
    UNDERFLOWING_GRADIENT = (
        "underflowing-gradient",
        Severity.WARN,
        "every true gradient entry rounds to 0; a loss scale would keep it",
    )
    WRONG_LOSS = ("wrong-loss", Severity.FAIL, "the loss is off by more than a tenth")
    WRONG_GRADIENT = ("wrong-gradient", Severity.FAIL, "a gradient entry is off by more than a tenth of the upstream gradient")
    INACCURATE_LOSS = ("inaccurate-loss", Severity.WARN, "the loss misses the format's tolerance")
    INACCURATE_GRADIENT = ("inaccurate-gradient", Severity.WARN, "a gradient entry misses the format's tolerance")
    ZEROED_LOSS = ("zeroed-loss", Severity.WARN, "the loss is 0 where the format could hold the true one")
    ZEROED_GRADIENT = ("zeroed-gradient", Severity.WARN, "a gradient entry is 0 where the format could hold the true one")

    def __init__(self, label: str, severity: Severity, summary: str) -> None:
        self.label = label
        self.severity = severity
        self.summary = summary

    @property
    def is_loss(self) -> bool:
        """Whether it speaks of the loss (else of the gradient)."""
        return self.label.endswith("-loss")

    @property
    def is_hard(self) -> bool:
        """Whether it holds on whole intervals of t and so has boundaries (nan, inf, vanishing, under-, overflowing)."""
        return self.label.split("-")[0] in {"nan", "inf", "vanishing", "underflowing", "overflowing"}


@dataclass(frozen=True)
class Place:
    """Where in the cases something was seen: a magnitude t of a sweep or a row of a file.

    `position` orders places: the float's ordinal in its format, or the row. `decimal` reads back to `value` in the
    format; `hexadecimal` is exact (None for rows). `ulps` is the error there, None where it does not exist.
    """

    position: int
    value: float
    decimal: str
    hexadecimal: str | None = None
    ulps: float | None = None
    reproduce: str | None = None


@dataclass(frozen=True)
class Finding:
    """All cases of one setting that got one kind."""

    kind: FindingKind
    cases: int
    first: Place
    lowest: Place
    highest: Place
    worst: Place


@dataclass(frozen=True)
class Interval:
    """A maximal range of t with one hard outcome of loss and gradient; both ends belong to it."""

    start: Place
    stop: Place
    loss: FindingKind | None
    gradient: FindingKind | None


@dataclass(frozen=True)
class LargestError:
    """The largest errors of a setting in ulps of the format, and where; None where no finite pair was seen."""

    loss: Place | None
    gradient: Place | None


@dataclass(frozen=True)
class RoundingCost:
    """What rounding recorded logits to the format costs before anything is computed: largest changes of the truth."""

    loss: Place | None
    loss_change: float
    gradient: Place | None
    gradient_change: float


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class SettingResult:
    """A setting's verdict and its evidence."""

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
    worst_rows: tuple[Place, ...] = ()
    rounding_cost: RoundingCost | None = None
    reason: str | None = None


def find_worst(results: Iterable[SettingResult]) -> Finding | None:
    """Return the finding of worst severity that begins at the smallest |t|; None without findings above a note."""
    order = [Severity.FAIL, Severity.WARN]
    graded = [finding for result in results for finding in result.findings if finding.kind.severity in order]
    return min(graded, key=lambda f: (order.index(f.kind.severity), abs(f.first.value)), default=None)


@dataclass(frozen=True)
class Recommendation:
    """Which audited formulation to use in a dtype; None when none of them should be used."""

    dtype: str
    formulation: str | None
    why: str


@dataclass(frozen=True)
class LogitRange:
    """`--logits LO:HI[:N][:log|linear]`; None for the format's own end, `count` None for the default coverage."""

    low: float | None = None
    high: float | None = None
    count: int | None = None
    spacing: str = "log"

    def __str__(self) -> str:
        if self == LogitRange():
            return "all"
        ends = f"{'' if self.low is None else repr(self.low)}:{'' if self.high is None else repr(self.high)}"
        return ends + (f":{self.count}" if self.count is not None else "") + f":{self.spacing}"


@dataclass(frozen=True)
class Arithmetics:
    """The options of the number format and of judgement that sweep and audit share. None means the format's own."""

    dtypes: tuple[str, ...] = ("float16", "bfloat16", "float32", "float64")
    compute: str | None = None
    summations: tuple[Summation, ...] = (Summation.WIDE,)
    loss_scales: tuple[float, ...] = (1.0,)
    rtol: float | None = None
    atol: float | None = None
    fp8_overflow: Fp8Overflow = Fp8Overflow.NAN
    flush_subnormals: bool = False


@dataclass(frozen=True)
class SweepRequest:
    """Every option of a sweep as resolved."""

    objective: Objective
    formulations: tuple[str, ...]
    arithmetics: Arithmetics
    logits: LogitRange
    patterns: tuple[str, ...]
    classes: tuple[int, ...]
    targets: tuple[str, ...]
    seed: int
    fail_on: tuple[str, ...]


DEFAULT_IGNORE_INDEX = -100  # torch.nn.functional.cross_entropy's


@dataclass(frozen=True)
class AuditRequest:
    """Every option of an audit of recorded logits as resolved."""

    objective: Objective
    formulations: tuple[str, ...]
    arithmetics: Arithmetics
    file: str
    labels: str | None
    class_axis: int
    ignore_index: int
    fail_on: tuple[str, ...]


@dataclass(frozen=True)
class Environment:
    """What the numbers may depend on."""

    python: str
    numpy: str
    platform: str
    cpu: str


@dataclass(frozen=True)
class Report:
    """What sweep (request: SweepRequest) and audit (request: AuditRequest) return and print.

    `causes` holds a sentence per failing formulation; `escalated` counts cases decided in ball arithmetic.
    """

    version: str
    environment: Environment
    request: SweepRequest | AuditRequest
    settings: tuple[SettingResult, ...]
    recommendations: tuple[Recommendation, ...]
    causes: tuple[tuple[str, str], ...]
    escalated: int
    rows: int = 0
    ignored_rows: int = 0

    def verdict_counts(self) -> dict[Verdict, int]:
        """Settings by verdict, in the order of Verdict."""
        return {verdict: sum(s.verdict is verdict for s in self.settings) for verdict in Verdict}

    def gated(self) -> list[tuple[SettingResult, Finding]]:
        """Findings that the request's `fail_on` gates: named kinds; `fail` any failure; `warn` any warning or worse."""
        severities = {"fail": {Severity.FAIL}, "warn": {Severity.WARN, Severity.FAIL}}
        words = set(self.request.fail_on)
        gated = {severity for word in words for severity in severities.get(word, set())}
        found = [(result, finding) for result in self.settings for finding in result.findings]
        return [(r, f) for r, f in found if f.kind.label in words or f.kind.severity in gated]

    def exit_status(self) -> ExitStatus:
        """What a shell is told: the gate first, then whether anything was judged, then whether something crashed."""
        counts = self.verdict_counts()
        if self.gated():
            return ExitStatus.GATE_FAILED
        if not any(counts[verdict] for verdict in (Verdict.PASS, Verdict.WARN, Verdict.FAIL)):
            return ExitStatus.USAGE
        return ExitStatus.NOT_AUDITED if counts[Verdict.ERROR] else ExitStatus.DONE
