"""The words of reports: severities, verdicts, objectives, kinds of findings."""

from enum import Enum, StrEnum


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

    @property
    def is_judged(self) -> bool:
        """Whether it is a judgement of the formulation; the others never count as a pass."""
        return self in JUDGED


JUDGED = (Verdict.PASS, Verdict.WARN, Verdict.FAIL)  # from best to worst


class Objective(StrEnum):
    """A loss as a real function."""

    SOFTMAX_CROSS_ENTROPY = "softmax-cross-entropy"
    BINARY_CROSS_ENTROPY = "binary-cross-entropy"
    FOCAL_LOSS = "focal-loss"
    Z_LOSS = "z-loss"
    SOFTMAX_MEAN_SQUARED_ERROR = "softmax-mean-squared-error"
    SIGMOID_MEAN_SQUARED_ERROR = "sigmoid-mean-squared-error"

    @property
    def is_binary(self) -> bool:
        """Whether it has one logit and a label in [0, 1] instead of classes."""
        return self in (Objective.BINARY_CROSS_ENTROPY, Objective.SIGMOID_MEAN_SQUARED_ERROR)


DEFAULT_OBJECTIVE = Objective.SOFTMAX_CROSS_ENTROPY


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
