"""Comparing two reports: for each rule a change that must be told as worse, and a near miss that must not."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from builders import build_audit_request, build_finding, build_place, build_result, build_setting, build_sweep_request
from cestab.commands.diff.answer import Change, ChangeRule
from cestab.commands.diff.run import compare_reports
from cestab.commands.sweep.answer import Report
from cestab.errors import ExitStatus, UsageError
from cestab.vocabulary.kinds import Coverage, FindingKind, Fp8Overflow, Summation, Verdict
from cestab.vocabulary.objectives import BINARY_CROSS_ENTROPY, SOFTMAX_CROSS_ENTROPY
from cestab.vocabulary.requests import Arithmetics, LogitRange
from cestab.vocabulary.settings import Environment, Finding, LargestError, Place, Setting, SettingResult

K, R, V = FindingKind, ChangeRule, Verdict
SOFTMAX = SOFTMAX_CROSS_ENTROPY
SETTING = build_setting(dtype="float16")
ROWS = replace(SETTING, pattern=None, target=None)
SWEEP = build_sweep_request(arithmetics=Arithmetics(dtypes=("float16",)))
AUDIT = build_audit_request("a/x.npz", arithmetics=Arithmetics(dtypes=("float16",)))
INF_ULPS = float("inf")
ENVIRONMENT = Environment(python="3.11.7", numpy="2.4.6", platform="Linux", cpu="some processor")


def t(value: float) -> Place:
    """Return a place whose position is made up: a thousand floats to 1."""
    return build_place(value, position=round(1000 * value), hexadecimal=value.hex())


def found(kind: FindingKind, first: float = 8.0, last: float = 100.0, cases: int = 10) -> Finding:
    return build_finding(
        kind, replace(t(first), reproduce="cestab explain …"), cases=cases, lowest=t(first), highest=t(last), worst=t(last)
    )


def found_row(kind: FindingKind, cases: int, row: int = 3) -> Finding:
    place = build_place(float(row), position=row, decimal=str(row))
    return build_finding(kind, place, cases=cases)


def result(
    *findings: Finding,
    verdict: Verdict = V.FAIL,
    setting: Setting = SETTING,
    coverage: Coverage = Coverage.SAMPLED,
    errors: tuple[float | None, float | None] = (None, None),
    reason: str | None = None,
) -> SettingResult:
    loss, gradient = (None if ulps is None else replace(t(1.0), ulps=ulps) for ulps in errors)
    largest = LargestError(loss=loss, gradient=gradient)
    return build_result(setting, verdict, cases=100, coverage=coverage, findings=findings, largest_error=largest, reason=reason)


def sweep(*results: SettingResult, **options: Any) -> Report:
    return Report(
        version="1.2.3",
        environment=ENVIRONMENT,
        request=replace(SWEEP, **options),
        settings=results,
        recommendations=(),
        causes=(),
        escalated=0,
    )


def audit(*results: SettingResult, rows: int = 100, ignored: int = 0, **options: Any) -> Report:
    return Report(
        version="1.2.3",
        environment=ENVIRONMENT,
        request=replace(AUDIT, **options),
        settings=results,
        recommendations=(),
        causes=(),
        escalated=0,
        rows=rows,
        ignored_rows=ignored,
    )


def changes(old: SettingResult, new: SettingResult, max_growth: float = 2.0) -> list[Change]:
    make = sweep if new.setting.pattern else audit
    return [change for _, change in compare_reports(make(old), make(new), max_growth=max_growth).changes()]


def only(rule: ChangeRule, found_changes: list[Change]) -> Change:
    assert [change.rule for change in found_changes] == [rule]
    return found_changes[0]


def test_a_report_does_not_differ_from_itself() -> None:
    same = sweep(result(found(K.NAN_LOSS), found(K.WRONG_LOSS), errors=(3.0, None)))
    difference = compare_reports(same, same)
    assert difference.changes() == []
    assert difference.environment == ()
    assert difference.exit_status() is ExitStatus.DONE
    assert [each.setting for each in difference.settings] == [SETTING]


@pytest.mark.parametrize("kind", list(K), ids=lambda kind: kind.label)
def test_a_new_finding_is_worse(kind: FindingKind) -> None:
    change = only(R.NEW_FINDING, changes(result(), result(found(kind))))
    assert (change.subject, change.old, change.new) == (kind.label, None, 8.0)
    assert change.is_worse
    assert change.reproduce == "cestab explain …"


def test_a_fixed_finding_is_told_and_not_worse() -> None:
    change = only(R.FIXED_FINDING, changes(result(found(K.NAN_LOSS)), result()))
    assert (change.subject, change.old, change.new, change.is_worse) == ("nan-loss", 8.0, None, False)


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (7.0, 100.0, [(True, 8.0, 7.0, 1000)]),
        (9.0, 100.0, [(False, 8.0, 9.0, 1000)]),
        (8.0, 101.0, [(True, 100.0, 101.0, 1000)]),
        (8.0, 99.0, [(False, 100.0, 99.0, 1000)]),
        (8.0, 100.0, []),
    ],
)
def test_a_hard_finding_that_extends_is_worse(first: float, last: float, expected: list[Any]) -> None:
    moved = changes(result(found(K.NAN_LOSS)), result(found(K.NAN_LOSS, first, last)))
    assert [(c.is_worse, c.old, c.new, c.floats) for c in moved] == expected
    assert {change.rule for change in moved} <= {R.MOVED_BOUNDARY}


def test_a_hard_finding_that_extends_below_zero_is_worse() -> None:
    before = replace(found(K.NAN_LOSS), lowest=t(-50.0))
    change = only(R.MOVED_BOUNDARY, changes(result(before), result(replace(before, lowest=t(-51.0)))))
    assert (change.is_worse, change.old, change.new, change.floats) == (True, -50.0, -51.0, 1000)


def test_where_a_graded_finding_begins_is_not_compared() -> None:
    assert changes(result(found(K.WRONG_LOSS)), result(found(K.WRONG_LOSS, 1.0, 200.0))) == []


@pytest.mark.parametrize(
    ("before", "after", "is_worse"),
    [
        (10.0, 20.1, True),
        (10.0, 20.0, False),
        (10.0, 9.0, False),
        (0.0, 4.0, False),
        (0.0, 4.1, True),
        (1.0, 5.0, False),
        (1.0, 5.1, True),
        (INF_ULPS, INF_ULPS, False),
        (10.0, INF_ULPS, True),
        (10.0, float("nan"), True),
        (10.0, None, False),
        (None, 10.0, False),
    ],
)
@pytest.mark.parametrize("part", ["loss", "gradient"])
def test_an_error_that_grew_beyond_the_factor_is_worse(
    before: float | None, after: float | None, part: str, *, is_worse: bool
) -> None:
    pairs = [((ulps, 1.0) if part == "loss" else (1.0, ulps)) for ulps in (before, after)]
    old, new = (result(errors=pair) for pair in pairs)
    grown = changes(old, new)
    assert [(c.rule, c.is_worse, c.subject) for c in grown] == [(R.GROWN_ERROR, True, part)] * is_worse


def test_errors_within_the_tolerance_may_grow() -> None:
    """1e-3 of float16 are 1.02 ulps or more, 1/8 of it are 128."""
    old, new = sweep(result(errors=(1.0, 1.0))), sweep(result(errors=(128.0, 128.1)))
    loose = replace(old.request, arithmetics=replace(old.request.arithmetics, rtol=0.125))
    grown = compare_reports(replace(old, request=loose), replace(new, request=loose)).changes()
    assert [(change.rule, change.subject) for _, change in grown] == [(R.GROWN_ERROR, "gradient")]


def test_the_factor_is_the_callers() -> None:
    old, new = result(errors=(20.0, None)), result(errors=(28.0, None))
    assert changes(old, new) == []
    assert only(R.GROWN_ERROR, changes(old, new, max_growth=1.3)).new == 28.0


@pytest.mark.parametrize("factor", [0.9, 0.0, -1.0, float("inf"), float("nan")])
def test_a_factor_below_1_or_not_finite_is_refused(factor: float) -> None:
    with pytest.raises(UsageError, match="--max-growth"):
        compare_reports(sweep(result()), sweep(result()), max_growth=factor)


JUDGED = [V.PASS, V.WARN, V.FAIL]


@pytest.mark.parametrize("before", list(V))
@pytest.mark.parametrize("after", list(V))
def test_a_graver_verdict_and_the_loss_of_a_verdict_are_worse(before: Verdict, after: Verdict) -> None:
    told = changes(result(verdict=before), result(verdict=after))
    if before is after:
        assert told == []
    else:
        change = only(R.CHANGED_VERDICT, told)
        assert (change.old, change.new) == (before.value, after.value)
        graver = [(V.PASS, V.WARN), (V.PASS, V.FAIL), (V.WARN, V.FAIL)]
        assert change.is_worse is ((before, after) in graver or (before in JUDGED and after not in JUDGED))


@pytest.mark.parametrize("verdict", list(V))
def test_a_setting_that_is_missing_is_worse_if_it_was_judged(verdict: Verdict) -> None:
    other = result(setting=replace(SETTING, formulation="clipped"))
    difference = compare_reports(sweep(result(verdict=verdict), other), sweep(other))
    ((setting, change),) = difference.changes()
    assert (setting, change.rule, change.old) == (SETTING, R.MISSING_SETTING, verdict.value)
    assert change.is_worse is (verdict in JUDGED)


def test_a_setting_that_is_added_is_not_worse() -> None:
    added = result(found(K.NAN_LOSS), setting=replace(SETTING, formulation="clipped"))
    ((setting, change),) = compare_reports(sweep(result()), sweep(added, result())).changes()
    assert (setting.formulation, change.rule, change.new, change.is_worse) == ("clipped", R.ADDED_SETTING, "fail", False)


@pytest.mark.parametrize("coverage", list(Coverage))
@pytest.mark.parametrize(("cases", "is_more"), [(21, True), (20, False)])
def test_more_cases_are_worse_where_all_cases_were_tried(coverage: Coverage, cases: int, *, is_more: bool) -> None:
    setting = ROWS if coverage is Coverage.RECORDED else SETTING
    old, new = (
        result(found_row(K.WRONG_LOSS, number), setting=setting, coverage=coverage)
        if coverage is Coverage.RECORDED
        else result(found(K.WRONG_LOSS, cases=number), coverage=coverage)
        for number in (10, cases)
    )
    told = [(c.rule, c.is_worse, c.old, c.new) for c in changes(old, new)]
    assert told == [(R.MORE_CASES, True, 10, 21)] * (is_more and coverage is not Coverage.SAMPLED)


def test_rows_have_no_boundaries() -> None:
    old, new = (result(found_row(K.NAN_LOSS, 10, row), setting=ROWS, coverage=Coverage.RECORDED) for row in (3, 1))
    assert changes(old, new) == []
    assert only(R.NEW_FINDING, changes(replace(old, findings=()), new)).new == 1


def test_settings_are_found_by_their_key_in_any_order() -> None:
    keys: list[dict[str, Any]] = [{"formulation": "clipped"}, {"dtype": "float32"}, {"compute": "float32"}, {"classes": 3}]
    keys += [{"summation": Summation.PAIRWISE}, {"pattern": "offset"}, {"target": "correct"}, {"loss_scale": 8.0}]
    results = [
        result(found(K.NAN_LOSS, float(first)), setting=replace(SETTING, **key)) for first, key in enumerate(keys, start=1)
    ]
    assert compare_reports(sweep(*results), sweep(*reversed(results))).changes() == []


@pytest.mark.parametrize(
    ("make", "options", "words"),
    [
        (sweep, {"objective": BINARY_CROSS_ENTROPY}, ["request.objective", "'binary-cross-entropy'"]),
        (sweep, {"logits": LogitRange(low=-5.0, high=5.0)}, ["request.logits", "'all'", "'-5.0:5.0:log'"]),
        (sweep, {"seed": 7}, ["request.seed", "0", "7"]),
        (sweep, {"arithmetics": replace(SWEEP.arithmetics, rtol=0.5)}, ["request.rtol", "None", "0.5"]),
        (sweep, {"arithmetics": replace(SWEEP.arithmetics, atol=0.5)}, ["request.atol", "None", "0.5"]),
        (sweep, {"arithmetics": replace(SWEEP.arithmetics, fp8_overflow=Fp8Overflow.SATURATE)}, ["fp8_overflow", "'saturate'"]),
        (sweep, {"arithmetics": replace(SWEEP.arithmetics, flush_subnormals=True)}, ["flush_subnormals", "True"]),
        (audit, {"file": "a/y.npz"}, ["request.file", "'x.npz'", "'y.npz'"]),
        (audit, {"labels": "b/y.npy"}, ["request.labels", "None", "'y.npy'"]),
        (audit, {"class_axis": 0}, ["request.axis", "0"]),
        (audit, {"ignore_index": -1}, ["request.ignore_index", "-100", "-1"]),
        (audit, {"sample": 50}, ["request.sample", "None", "50"]),
        (audit, {"rows": 99}, ["summary.rows", "100", "99"]),
        (audit, {"ignored": 1}, ["summary.ignored", "0", "1"]),
    ],
    ids=lambda value: str(list(value)) if isinstance(value, dict) else None,
)
def test_other_requests_are_refused_with_the_field_and_both_values(
    make: Callable[..., Report], options: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(UsageError) as refused:
        compare_reports(make(result()), make(result(), **options), ("a.json", "b.json"))
    assert [word for word in ["'a.json'", "'b.json'", *words] if word not in str(refused.value)] == []


def test_samples_of_other_seeds_are_refused() -> None:
    with pytest.raises(UsageError, match=r"request.seed is 0 in 'OLD' and 7 in 'NEW'"):
        compare_reports(audit(result(), sample=9), audit(result(), sample=9, seed=7))


def test_a_sweep_and_an_audit_are_refused() -> None:
    with pytest.raises(UsageError, match=r"schema is 'cestab.sweep/1' in 'OLD' and 'cestab.audit/1' in 'NEW'"):
        compare_reports(sweep(result()), audit(result()))


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (sweep, {"formulations": ("naive", "clipped")}),
        (sweep, {"patterns": ("margin", "offset")}),
        (sweep, {"classes": (2, 3)}),
        (sweep, {"targets": ("wrong", "correct")}),
        (sweep, {"fail_on": ("fail",)}),
        (
            sweep,
            {
                "arithmetics": Arithmetics(
                    dtypes=("float16", "float32"), compute="float32", summations=(Summation.PAIRWISE,), loss_scales=(8.0,)
                )
            },
        ),
        (audit, {"file": "elsewhere/x.npz"}),
        (audit, {"seed": 7}),  # of no sample
    ],
    ids=lambda value: str(list(value)) if isinstance(value, dict) else None,
)
def test_lists_of_settings_and_the_folder_of_the_file_may_differ(make: Callable[..., Report], options: dict[str, Any]) -> None:
    assert compare_reports(make(result()), make(result(), **options)).changes() == []


def test_another_environment_is_told_and_compared() -> None:
    other = replace(sweep(result()), version="1.3", environment=replace(ENVIRONMENT, numpy="3.0", cpu="another"))
    difference = compare_reports(sweep(result()), other)
    expected = [("cestab", "1.2.3", "1.3"), ("numpy", "2.4.6", "3.0"), ("cpu", "some processor", "another")]
    assert [(change.name, change.old, change.new) for change in difference.environment] == expected
    assert difference.exit_status() is ExitStatus.DONE


@pytest.mark.parametrize(("reason", "told"), [(None, "error"), ("it crashed", "error: it crashed")])
def test_why_a_setting_has_no_verdict_is_kept(reason: str | None, told: str) -> None:
    after = result(verdict=V.ERROR, reason=reason)
    (compared,) = compare_reports(sweep(result(verdict=V.ERROR)), sweep(after)).settings
    assert (compared.unjudged, compared.changes) == (told, ())
