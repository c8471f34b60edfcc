"""Requests: every option of a sweep, an audit or an explanation, as resolved."""

from dataclasses import dataclass, fields
from typing import Any

from cestab.vocabulary.external import DEFAULT_GUARD, Guard
from cestab.vocabulary.kinds import Fp8Overflow, Summation
from cestab.vocabulary.loss_options import DEFAULT_IGNORE_INDEX, Reduction
from cestab.vocabulary.objectives import Objective

DEFAULT_CLASS_AXIS = -1
PAIRS = "pairs"  # the pattern whose cases have two logits in place of a magnitude
DEFAULT_DTYPES = ("float16", "bfloat16", "float32", "float64")


@dataclass(frozen=True, kw_only=True)
class LogitRange:
    """`--logits LO:HI[:N][:log|linear]`; None for the end of the format, `count` None for the default coverage."""

    low: float | None = None
    high: float | None = None
    count: int | None = None
    spacing: str = "log"

    def __str__(self) -> str:
        if self == LogitRange():
            return "all"
        ends = f"{'' if self.low is None else repr(self.low)}:{'' if self.high is None else repr(self.high)}"
        return ends + (f":{self.count}" if self.count is not None else "") + f":{self.spacing}"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The rules of rounding, the same in all settings of a request and in every format that it computes in."""

    fp8_overflow: Fp8Overflow = Fp8Overflow.NAN
    flush_subnormals: bool = False


def rules_of(holder: Rules) -> dict[str, Any]:
    """Return the rules of an object that has them among other fields, for another one."""
    return {field.name: getattr(holder, field.name) for field in fields(Rules)}


@dataclass(frozen=True, kw_only=True)
class Arithmetics(Rules):
    """The options of the number format and of judgement that sweep and audit share.

    None means the dtype itself (`compute`) or its tolerances. `has_infinity`: every one of the dtypes has one.
    """

    dtypes: tuple[str, ...] = DEFAULT_DTYPES
    compute: str | None = None
    summations: tuple[Summation, ...] = (Summation.WIDE,)
    loss_scales: tuple[float, ...] = (1.0,)
    rtol: float | None = None
    atol: float | None = None
    has_infinity: bool = True


@dataclass(frozen=True, kw_only=True)
class SweepRequest:
    """Every option of a sweep as resolved; how many processes work (`jobs`) changes no report, and is in none."""

    objective: Objective
    formulations: tuple[str, ...]
    arithmetics: Arithmetics
    logits: LogitRange
    patterns: tuple[str, ...]
    classes: tuple[int, ...]
    targets: tuple[str, ...]
    seed: int
    fail_on: tuple[str, ...]
    batch: int = 1
    reduction: Reduction = Reduction.MEAN
    guard: Guard = DEFAULT_GUARD
    curves: bool = False
    exhaustive: bool = False
    certify: bool = False
    jobs: int | None = None


@dataclass(frozen=True, kw_only=True)
class RecordingSource:
    """Where recorded logits and labels are: files, the names of the arrays in them (None: by their common names), the axis."""

    file: str
    labels: str | None = None
    logits_key: str | None = None
    labels_key: str | None = None
    class_axis: int = DEFAULT_CLASS_AXIS
    ignore_index: int = DEFAULT_IGNORE_INDEX


def source_of(holder: RecordingSource) -> dict[str, Any]:
    """Return the fields of a source that an object has among others, for another one."""
    return {field.name: getattr(holder, field.name) for field in fields(RecordingSource)}


@dataclass(frozen=True, kw_only=True)
class AuditRequest(RecordingSource):
    """Every option of an audit of recorded logits as resolved; `sample` is None for all rows."""

    objective: Objective
    formulations: tuple[str, ...]
    arithmetics: Arithmetics
    fail_on: tuple[str, ...]
    sample: int | None = None
    seed: int = 0
    guard: Guard = DEFAULT_GUARD


@dataclass(frozen=True, kw_only=True)
class AdviseRequest:
    """Every option of advise as resolved; without formulations the family's sound ones are asked about."""

    objective: Objective
    formulations: tuple[str, ...]
    arithmetics: Arithmetics
    logits: LogitRange
    classes: int
    batch: int = 1
    reduction: Reduction = Reduction.MEAN
    guard: Guard = DEFAULT_GUARD


@dataclass(frozen=True, kw_only=True)
class GivenCase:
    """Logits and a target in words: a class, weights, or a target kind (binary: the label)."""

    logits: tuple[float, ...]
    target: str


@dataclass(frozen=True, kw_only=True)
class GeneratedCase:
    """The case of a sweep at magnitude `at`."""

    pattern: str
    classes: int
    target: str
    at: float
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class RecordedCase(RecordingSource):
    """One row of recorded logits."""

    row: int


@dataclass(frozen=True, kw_only=True)
class ExplainRequest:
    """Every option of explain as resolved; the lists of `arithmetics` hold one value each."""

    objective: Objective
    formulation: str
    arithmetics: Arithmetics
    case: GivenCase | GeneratedCase | RecordedCase
    against: str | None
    batch: int = 1
    reduction: Reduction = Reduction.MEAN
    guard: Guard = DEFAULT_GUARD
