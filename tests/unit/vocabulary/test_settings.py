"""Results: the worst finding, what a gate names, and which exit status wins."""

from itertools import product

import pytest

from builders import build_finding, build_place, build_result, build_setting, build_sweep_request
from cestab.commands.sweep.answer import Report
from cestab.errors import ExitStatus
from cestab.vocabulary.kinds import FindingKind, Severity, Verdict
from cestab.vocabulary.objectives import SOFTMAX_CROSS_ENTROPY
from cestab.vocabulary.requests import LogitRange
from cestab.vocabulary.settings import Environment, Finding, SettingResult, find_worst

K, V = FindingKind, Verdict
SOFTMAX = SOFTMAX_CROSS_ENTROPY


def finding(kind: FindingKind, t: float) -> Finding:
    place = build_place(t, hexadecimal=t.hex())
    return build_finding(kind, place)


def result(verdict: Verdict, *findings: Finding) -> SettingResult:
    setting = build_setting()
    return build_result(setting, verdict, findings=findings)


def report(*results: SettingResult, fail_on: tuple[str, ...] = ()) -> Report:
    request = build_sweep_request(fail_on=fail_on)
    return Report(
        version="0",
        environment=Environment(python="", numpy="", platform="", cpu=""),
        request=request,
        settings=results,
        recommendations=(),
        causes=(),
        escalated=0,
    )


def test_the_worst_finding_is_the_gravest_and_of_those_the_one_nearest_to_0() -> None:
    near, far = finding(K.INF_LOSS, -3.0), finding(K.NAN_LOSS, 5.0)
    warned, later = finding(K.ZEROED_LOSS, 1.0), finding(K.OVERFLOWING_LOSS, 2.0)
    assert find_worst([result(V.FAIL, warned, far), result(V.FAIL, near)]) is near
    assert find_worst([result(V.FAIL, near), result(V.FAIL, far, warned)]) is near
    assert find_worst([result(V.WARN, later, warned)]) is warned
    assert find_worst([]) is None


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), []),
        (("fail",), [K.NAN_LOSS]),
        (("warn",), [K.OVERFLOWING_LOSS, K.NAN_LOSS, K.ZEROED_LOSS]),
        (("warn", "fail"), [K.OVERFLOWING_LOSS, K.NAN_LOSS, K.ZEROED_LOSS]),
        (("zeroed-loss",), [K.ZEROED_LOSS]),
        (("zeroed-loss", "fail"), [K.NAN_LOSS, K.ZEROED_LOSS]),
        (("overflowing-loss",), [K.OVERFLOWING_LOSS]),
        (("inf-loss",), []),
    ],
)
def test_words_gate_severities_and_names_gate_themselves(words: tuple[str, ...], expected: list[FindingKind]) -> None:
    kinds = (K.OVERFLOWING_LOSS, K.NAN_LOSS, K.ZEROED_LOSS)
    own = result(V.FAIL, *(finding(kind, 1.0) for kind in kinds))
    gated = report(own, fail_on=words).gated()
    assert [f.kind for _, f in gated] == expected
    assert all(r is own for r, _ in gated)


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        ((V.PASS,), ExitStatus.DONE),
        ((V.FAIL, V.WARN), ExitStatus.DONE),
        ((V.PASS, V.UNSUPPORTED, V.UNDEFINED), ExitStatus.DONE),
        ((V.PASS, V.ERROR), ExitStatus.NOT_AUDITED),
        ((V.ERROR,), ExitStatus.NOT_AUDITED),
        ((V.UNSUPPORTED, V.UNDEFINED), ExitStatus.USAGE),
        ((), ExitStatus.USAGE),
    ],
)
def test_without_a_gate_what_was_judged_decides(verdicts: tuple[Verdict, ...], status: ExitStatus) -> None:
    assert report(*map(result, verdicts)).exit_status() is status


def test_the_gate_comes_before_a_crash() -> None:
    failed, crashed = result(V.FAIL, finding(K.NAN_LOSS, 1.0)), result(V.ERROR)
    assert report(failed, crashed, fail_on=("fail",)).exit_status() is ExitStatus.GATE_FAILED
    assert report(failed, crashed, fail_on=("inf-loss",)).exit_status() is ExitStatus.NOT_AUDITED


def test_verdicts_are_counted_with_those_that_none_has() -> None:
    counts = report(result(V.FAIL), result(V.PASS), result(V.FAIL)).verdict_counts()
    assert counts == {V.PASS: 1, V.WARN: 0, V.FAIL: 2, V.UNDEFINED: 0, V.UNSUPPORTED: 0, V.ERROR: 0, V.OTHER_OBJECTIVE: 0}


def test_names_severities_and_hardness_are_those_of_the_table() -> None:
    hard = {"nan": Severity.FAIL, "inf": Severity.FAIL}
    grades = {"wrong": Severity.FAIL, "inaccurate": Severity.WARN, "zeroed": Severity.WARN}
    expected = {f"{word}-{side}": (s, True) for (word, s), side in product(hard.items(), ("loss", "gradient"))}
    expected |= {f"{word}-{side}": (s, False) for (word, s), side in product(grades.items(), ("loss", "gradient"))}
    expected |= {"negative-loss": (Severity.WARN, False)}
    expected |= {"overflowing-loss": (Severity.WARN, True), "overflowing-gradient": (Severity.WARN, True)}
    expected |= {f"{word}-logits": (Severity.FAIL, False) for word in ("nan", "overflowing")}
    expected |= {"masked-target": (Severity.WARN, False)}
    expected |= {"vanishing-gradient": (Severity.FAIL, True), "underflowing-gradient": (Severity.WARN, True)}
    assert {kind.label: (kind.severity, kind.is_hard) for kind in K} == expected
    assert {kind.label for kind in K if kind.is_loss} == {name for name in expected if name.endswith("-loss")}


@pytest.mark.parametrize(
    ("logits", "text"),
    [
        (LogitRange(), "all"),
        (LogitRange(low=-1.0, high=2.5), "-1.0:2.5:log"),
        (LogitRange(low=None, high=3.0, count=9, spacing="linear"), ":3.0:9:linear"),
    ],
)
def test_a_range_is_printed_as_it_is_written(logits: LogitRange, text: str) -> None:
    assert str(logits) == text
