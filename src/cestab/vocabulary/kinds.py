"""The words of reports: severities, verdicts, kinds of findings."""

from collections.abc import Iterable
from enum import Enum, StrEnum
from typing import Any, NamedTuple


class Severity(StrEnum):
    """How bad a finding is."""

    WARN = "warn"
    FAIL = "fail"

    @property
    def rank(self) -> int:
        """Its place among the severities; the worst has the highest."""
        return [*Severity].index(self)


class Verdict(StrEnum):
    """Worst severity of a setting, or why there is none."""

    PASS = "pass"  # noqa: S105
    WARN = "warn"
    FAIL = "fail"
    UNDEFINED = "undefined"
    UNSUPPORTED = "unsupported"
    ERROR = "error"
    OTHER_OBJECTIVE = "other-objective"

    @classmethod
    def of(cls, severities: Iterable[Severity]) -> "Verdict":
        """Return the verdict on findings of these severities."""
        worst = max(severities, key=lambda severity: severity.rank, default=None)
        return cls.PASS if worst is None else cls(worst.value)

    @property
    def is_judged(self) -> bool:
        """Whether it is a judgement of the formulation; the others never count as a pass."""
        return self in JUDGED

    @property
    def is_unaudited(self) -> bool:
        """Whether code that is not cestab's prevented the audit: it crashed, or computes another objective."""
        return self in {Verdict.ERROR, Verdict.OTHER_OBJECTIVE}

    @property
    def needs_reason(self) -> bool:
        """Whether a report has to say why."""
        return self.is_unaudited or self is Verdict.UNSUPPORTED

    def is_worse_than(self, other: "Verdict") -> bool:
        """Whether it is worse than another judgement, or no judgement where the other is one."""
        return other.is_judged and (not self.is_judged or JUDGED.index(self) > JUDGED.index(other))


JUDGED = (Verdict.PASS, Verdict.WARN, Verdict.FAIL)  # from best to worst


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


class _Kind(NamedTuple):
    severity: Severity
    summary: str
    is_loss: bool = False
    is_hard: bool = False
    is_fact: bool = False


_WARN, _FAIL = Severity


class FindingKind(Enum):
    """One kind of defect at one case, in the order of decision: the first that applies to the loss, and to the gradient.

    `is_loss`: it is about the loss (else the gradient). `is_hard`: it holds on whole intervals of t and so has boundaries.
    `is_fact`: it is about a row of recorded logits, whatever computes the loss of it.
    """

    NAN_LOGITS = _Kind(_FAIL, "a logit is NaN or +inf, or all are -inf: the row has no true loss", is_fact=True)
    OVERFLOWING_LOGITS = _Kind(_FAIL, "a logit is finite in the file and not in the format", is_fact=True)

    NAN_LOSS = _Kind(_FAIL, "the loss is NaN though it has a true value", is_loss=True, is_hard=True)
    NAN_GRADIENT = _Kind(_FAIL, "a gradient entry is NaN though it has a true value", is_hard=True)
    INF_LOSS = _Kind(_FAIL, "the loss is infinite though the format could hold it", is_loss=True, is_hard=True)
    INF_GRADIENT = _Kind(_FAIL, "a gradient entry is infinite though the format could hold it", is_hard=True)
    VANISHING_GRADIENT = _Kind(_FAIL, "every gradient entry is 0 though the format could hold the true one", is_hard=True)
    WRONG_LOSS = _Kind(_FAIL, "the loss is off by more than a tenth", is_loss=True)
    WRONG_GRADIENT = _Kind(_FAIL, "the gradient is off by more than a tenth of its size")
    MASKED_TARGET = _Kind(_WARN, "the true loss is infinite, as the label's class is masked", is_fact=True)
    OVERFLOWING_LOSS = _Kind(_WARN, "the loss, or loss scale times loss, is beyond the format", is_loss=True, is_hard=True)
    OVERFLOWING_GRADIENT = _Kind(_WARN, "the true gradient is beyond the format at this loss scale", is_hard=True)
    UNDERFLOWING_GRADIENT = _Kind(_WARN, "every true gradient entry rounds to 0; a loss scale would keep it", is_hard=True)
    NEGATIVE_LOSS = _Kind(_WARN, "the loss is negative, which it cannot be", is_loss=True)
    INACCURATE_LOSS = _Kind(_WARN, "the loss misses the format's tolerance", is_loss=True)
    INACCURATE_GRADIENT = _Kind(_WARN, "a gradient entry misses the format's tolerance")
    ZEROED_LOSS = _Kind(_WARN, "the loss is 0 where the format could hold the true one", is_loss=True)
    ZEROED_GRADIENT = _Kind(_WARN, "a gradient entry is 0 where the format could hold the true one")

    def __init__(self, *kind: Any) -> None:
        severity, summary, is_loss, is_hard, is_fact = _Kind(*kind)
        self.label = self._name_.lower().replace("_", "-")
        self.severity = severity
        self.summary = summary
        self.is_loss = is_loss
        self.is_hard = is_hard
        self.is_fact = is_fact


def _starting(*words: str) -> frozenset[FindingKind]:
    return frozenset(kind for kind in FindingKind if kind.label.split("-")[0] in words)


GATES = {  # the words that name several kinds
    "fail": frozenset(kind for kind in FindingKind if kind.severity is Severity.FAIL),
    "warn": frozenset(FindingKind),  # or worse
    "nan": _starting("nan"),
    "inf": _starting("inf", "overflowing"),
    "vanishing": _starting("vanishing", "underflowing"),
    "hard": frozenset(kind for kind in FindingKind if kind.is_hard),
    "loss": frozenset(kind for kind in FindingKind if kind.is_loss),
    "gradient": frozenset(kind for kind in FindingKind if not (kind.is_loss or kind.is_fact)),
}


def gated_kinds(words: Iterable[str]) -> frozenset[FindingKind]:
    """Return the kinds of findings that words of `--fail-on` name: kinds, and groups of them."""
    chosen = set(words)
    named = frozenset(kind for kind in FindingKind if kind.label in chosen)
    return named.union(*(kinds for word, kinds in GATES.items() if word in chosen))
