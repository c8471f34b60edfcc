"""The frozen values that every layer passes around: kinds of findings, requests, and what each command answers."""

from cestab.results.gate import (
    GateCase,
    GateReport,
    Level,
    Location,
    Problem,
)
from cestab.results.kinds import (
    Coverage,
    FindingKind,
    Fp8Overflow,
    Objective,
    Severity,
    Summation,
    Verdict,
)
from cestab.results.report import (
    Environment,
    Finding,
    Interval,
    LargestError,
    Place,
    Recommendation,
    Report,
    RoundingCost,
    Setting,
    SettingResult,
    find_worst,
)
from cestab.results.requests import (
    DEFAULT_IGNORE_INDEX,
    Arithmetics,
    AuditRequest,
    LogitRange,
    SweepRequest,
)

__all__ = [
    "DEFAULT_IGNORE_INDEX",
    "Arithmetics",
    "AuditRequest",
    "Coverage",
    "Environment",
    "Finding",
    "FindingKind",
    "Fp8Overflow",
    "GateCase",
    "GateReport",
    "Interval",
    "LargestError",
    "Level",
    "Location",
    "LogitRange",
    "Objective",
    "Place",
    "Problem",
    "Recommendation",
    "Report",
    "RoundingCost",
    "Setting",
    "SettingResult",
    "Severity",
    "Summation",
    "SweepRequest",
    "Verdict",
    "find_worst",
]
