"""Code that is not ours through the whole path: what it deserves, what is planted in it, and what cannot be judged."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import psutil
import pytest

import cestab
from cestab.commands.sweep.answer import Report
from cestab.errors import ExitStatus, UsageError
from cestab.vocabulary.kinds import Coverage, FindingKind, Verdict
from cestab.vocabulary.settings import SettingResult

DATA = Path(__file__).parents[3] / "data" / "targets.py"
K = FindingKind
FORMATS = ("float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    yield
    assert psutil.Process().children() == []


def path_to(function: str) -> str:
    return f"{DATA}:{function}"


@cache
def sweep(
    *functions: str, dtypes: tuple[str, ...] = ("float16", "float32"), targets: tuple[str, ...] = ("correct", "wrong")
) -> Report:
    """Sweep functions of the data module (names with dashes are cestab's own) on two classes."""
    names = [name if "-" in name or name == "naive" else path_to(name) for name in functions]
    return cestab.sweep(names, dtypes=dtypes, classes=[2], patterns=["margin"], targets=targets, logits="-200:200:33")


def results_of(report: Report, function: str) -> list[SettingResult]:
    return [r for r in report.settings if r.setting.formulation in (function, path_to(function))]


def kinds_of(result: SettingResult) -> list[FindingKind]:
    return [finding.kind for finding in result.findings]


def reasons_of(report: Report, function: str) -> dict[str, set[tuple[Verdict, str | None]]]:
    """Verdicts and reasons by dtype."""
    own = results_of(report, function)
    dtypes = dict.fromkeys(r.setting.dtype for r in own)
    return {dtype: {(r.verdict, r.reason) for r in own if r.setting.dtype == dtype} for dtype in dtypes}


# --- what sound code deserves: just what cestab's own formulation of the same recipe gets


@pytest.mark.parametrize("pattern", ["margin", "offset", "spread"])
def test_a_sound_loss_gets_what_its_recipe_gets(pattern: str) -> None:
    report = cestab.sweep(
        [path_to("stable"), "log-softmax"],
        dtypes=FORMATS,
        classes=[2, 5],
        patterns=[pattern],
        targets=["correct", "wrong", "one-hot-wrong"],
        logits="-300:300:41",
    )
    theirs, ours = results_of(report, "stable"), results_of(report, "log-softmax")
    assert len(theirs) == len(ours) == 36
    for own, other in zip(theirs, ours, strict=True):
        where = own.setting.describe()
        assert where == other.setting.describe()
        assert (own.verdict, own.cases, own.undefined) == (other.verdict, other.cases, other.undefined), where
        assert kinds_of(own) == kinds_of(other), where
        assert own.reason is None
        if own.setting.classes == 2:  # no order of sums to differ by
            assert [(f.kind, f.cases, f.first.value) for f in own.findings] == [
                (f.kind, f.cases, f.first.value) for f in other.findings
            ], where


def test_code_without_a_shift_breaks_where_the_recipe_without_it_does() -> None:
    """E^t overflows beyond log(max): 11.09 in float16, 88.72 in float32; neighbouring floats, found by bisection."""
    report = sweep("no_shift")
    for result in report.settings:
        fmt = {"float16": 11.09375, "float32": float(np.nextafter(np.float32(88.72283), np.float32(np.inf)))}
        assert K.INF_LOSS in kinds_of(result)
        (inf_loss,) = (finding for finding in result.findings if finding.kind is K.INF_LOSS)
        assert inf_loss.first.value == pytest.approx(fmt[result.setting.dtype], rel=1e-6)
        assert result.verdict is Verdict.FAIL


def test_what_is_computed_in_float64_is_rounded_once_and_passes_everywhere() -> None:
    """But for the zero that float64's own p − 1 leaves, and what no narrow format can hold."""
    report = sweep("from_float64", dtypes=("float32", "float16", "bfloat16"))
    assert {kind for result in report.settings for kind in kinds_of(result)} <= {K.ZEROED_LOSS, K.ZEROED_GRADIENT}
    assert all(result.verdict is not Verdict.FAIL for result in report.settings)


# --- planted defects


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        ("sign_flip", K.WRONG_GRADIENT),
        ("no_shift", K.INF_LOSS),
        ("no_shift", K.WRONG_GRADIENT),
        ("no_gradient_of_target", K.WRONG_GRADIENT),
        ("no_shift_loss_only", K.INF_LOSS),
    ],
)
def test_a_planted_defect_gets_its_finding_in_every_format(function: str, kind: FindingKind) -> None:
    report = sweep(function)
    found = {result.setting.dtype for result in report.settings if kind in kinds_of(result)}
    assert found == {"float16", "float32"}


def test_the_loss_of_another_label_is_another_objective() -> None:
    report = sweep("off_by_one")
    assert [result.verdict for result in report.settings] == [Verdict.OTHER_OBJECTIVE] * len(report.settings)


def test_a_sign_that_is_flipped_leaves_the_loss_alone() -> None:
    kinds = {kind for result in sweep("sign_flip").settings for kind in kinds_of(result)}
    assert not {kind for kind in kinds if kind.is_loss and kind.severity.value == "fail"}


def test_the_loss_scale_reaches_the_gradient() -> None:
    """With a scale of 1024 a sound gradient is sound; its zero from a margin of 17 on is an underflow avoided or kept."""
    plain, scaled = (
        cestab.sweep(
            [path_to("stable")],
            dtypes=["float32"],
            classes=[2],
            patterns=["margin"],
            targets=["wrong"],
            logits="-50:50:33",
            loss_scales=[scale],
        )
        for scale in (1.0, 1024.0)
    )
    for report in (plain, scaled):
        assert [kinds_of(result) for result in report.settings] == [[]]
    assert [result.setting.loss_scale for result in scaled.settings] == [1024.0]


# --- what cannot be judged


def test_a_target_that_fails_in_one_format_is_judged_in_the_others() -> None:
    report = sweep("only_single", "log-softmax")
    reasons = reasons_of(report, "only_single")
    assert reasons["float16"] == {(Verdict.ERROR, "it raised NotImplementedError: no kernel for float16")}
    assert {reason for _, reason in reasons["float32"]} == {None}
    assert all(result.cases == 0 and not result.findings for result in results_of(report, "only_single")[:2])
    assert all(result.verdict.is_judged for result in results_of(report, "log-softmax"))
    advice = {each.dtype: each.formulation for each in report.recommendations}
    assert advice["float16"] == "log-softmax", "what crashed is not recommended"
    assert report.exit_status() is ExitStatus.NOT_AUDITED


def test_a_target_that_fails_for_some_classes_is_judged_for_others() -> None:
    names = [path_to("few_classes")]
    report = cestab.sweep(names, dtypes=["float32"], classes=[2, 3], patterns=["margin"], logits="-20:20:9")
    verdicts = {(r.setting.classes, r.reason) for r in report.settings}
    assert verdicts == {(2, None), (3, "it raised ValueError: more than 2 classes")}
    assert [each.formulation for each in report.recommendations] == ["compensated"], "tried along"


def test_a_target_that_fails_in_a_later_block_has_failed_in_all() -> None:
    """2^16 cases of two classes are a block; the sound one is judged on both."""
    names = [path_to("many_rows_alone"), "log-softmax"]
    report = cestab.sweep(
        names, dtypes=["float32"], classes=[2], patterns=["margin"], targets=["wrong"], logits="1:2:70000:linear"
    )
    failed, sound = report.settings
    assert (failed.verdict, failed.cases, failed.reason) == (Verdict.ERROR, 0, "it raised ValueError: few rows")
    assert sound.verdict is Verdict.PASS
    assert sound.cases >= 70000


def test_a_target_that_fails_in_the_search_for_boundaries_has_failed() -> None:
    report = sweep("fails_while_bisecting", "naive", dtypes=("float32",), targets=("wrong",))
    (failed,) = results_of(report, "fails_while_bisecting")
    assert failed.verdict is Verdict.ERROR
    assert failed.reason is not None
    assert failed.reason.startswith("it raised ValueError: ")
    assert (failed.cases, failed.findings, failed.intervals) == (0, (), ())
    (naive,) = results_of(report, "naive")
    assert naive.verdict is Verdict.FAIL


def test_a_loss_without_a_gradient_is_judged_for_the_loss_alone_and_never_recommended() -> None:
    report = sweep("loss_only", "naive")
    assert reasons_of(report, "loss_only").keys() == {"float16", "float32"}
    for own in results_of(report, "loss_only"):
        assert own.verdict in (Verdict.PASS, Verdict.WARN)
        assert own.reason == "it returns no gradient: only the loss was judged"
        assert all(kind.is_loss for kind in kinds_of(own))
        assert own.largest_error.gradient is None
        assert own.largest_error.loss is not None
        assert all(interval.gradient is None for interval in own.intervals)
    advised = {each.formulation for each in (*report.recommendations, *sweep("loss_only").recommendations)}
    assert advised <= {"compensated", "log-softmax"}, "tried along: the one was not wholly judged, the other is for contrast"
    shown = [setting for setting in json.loads(json_of(report))["settings"] if setting["formulation"] != "naive"]
    assert {setting["reason"] for setting in shown} == {"it returns no gradient: only the loss was judged"}
    assert report.exit_status() is ExitStatus.DONE
    alone = sweep("no_shift_loss_only")
    assert {result.verdict for result in alone.settings} == {Verdict.FAIL}


def json_of(report: Report) -> str:
    assert isinstance(report, cestab.Report)
    return report.to_json()


def test_what_cannot_be_asked_of_a_target_is_unsupported_and_nothing_judged_is_a_mistake() -> None:
    def run(*names: str) -> Report:
        options = {"dtypes": "float32", "patterns": "margin", "classes": 2, "logits": "-1:1:5"}
        return cestab.sweep(names, summations="pairwise", **options)  # type: ignore[arg-type]  # all of them are strings

    alone, beside = run(path_to("stable")), run(path_to("stable"), "naive")
    expected = (Verdict.UNSUPPORTED, "the order of its sums is its own, not pairwise")
    assert reasons_of(alone, "stable") == reasons_of(beside, "stable") == {"float32": {expected}}
    assert alone.exit_status() is ExitStatus.USAGE
    assert beside.exit_status() is ExitStatus.DONE


def test_assert_stable_tells_a_crash_and_refuses_what_was_not_judged() -> None:
    options = {"dtypes": "float32", "patterns": "margin", "classes": 2, "logits": "-10:10:5"}
    cestab.assert_stable(path_to("stable"), **options)  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match=r"it raised RuntimeError: \[nan-loss\] planted"):
        cestab.assert_stable(path_to("raises"), **options)  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match="wrong-gradient"):
        cestab.assert_stable(path_to("sign_flip"), **options)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="nothing could be judged: the order of its sums"):
        cestab.assert_stable(path_to("stable"), summations="sequential", **options)  # type: ignore[arg-type]


# --- audit of recorded logits


@pytest.fixture
def recording(tmp_path: Path) -> str:
    """Rows of which the third has a margin of 200, and the last is beyond float16."""
    logits = np.array([[1.0, 0.0], [0.0, 2.0], [200.0, 0.0], [1e6, 0.0]])
    np.savez(tmp_path / "recorded.npz", logits=logits, labels=np.array([0, 1, 1, 0]))
    return str(tmp_path / "recorded.npz")


def test_an_audit_judges_targets_by_row(recording: str) -> None:
    names = [path_to("no_shift"), path_to("only_single"), path_to("loss_only"), "log-softmax"]
    report = cestab.audit(recording, formulations=names, dtypes=["float16", "float64"])
    results = {(r.setting.formulation.rpartition(":")[2], r.setting.dtype): r for r in report.settings}
    broken = results["no_shift", "float16"]
    assert (broken.verdict, broken.cases, broken.undefined) == (Verdict.FAIL, 3, 1)
    (inf_loss,) = (finding for finding in broken.findings if finding.kind is K.INF_LOSS)
    assert (inf_loss.cases, inf_loss.first.position) == (1, 2)
    assert results["only_single", "float16"].reason == "it raised NotImplementedError: no kernel for float16"
    assert results["only_single", "float64"].verdict.is_judged
    assert results["loss_only", "float64"].reason == "it returns no gradient: only the loss was judged"
    assert results["log-softmax", "float16"].verdict.is_judged
    assert {r.coverage for r in report.settings} == {Coverage.RECORDED}
    assert report.exit_status() is ExitStatus.NOT_AUDITED


def test_rows_without_a_truth_are_undefined_and_not_the_targets_mistake(tmp_path: Path) -> None:
    np.savez(tmp_path / "beyond.npz", logits=np.array([[1e6, 0.0]]), labels=np.array([0]))
    report = cestab.audit(str(tmp_path / "beyond.npz"), formulations=[path_to("raises"), "naive"], dtypes=["float16"])
    assert [(r.verdict, r.undefined, r.reason) for r in report.settings] == [(Verdict.UNDEFINED, 1, None)] * 2
