"""Audits of recorded logits: which rows are judged, what rounding costs, and that neither blocks nor layout matter."""

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt
import pytest

from cestab import api
from cestab.commands.audit import run as recorded
from cestab.commands.sweep.answer import Report
from cestab.errors import ExitStatus
from cestab.numerics.formats import find_format
from cestab.vocabulary.kinds import FindingKind, Verdict
from cestab.vocabulary.settings import SettingResult

K = FindingKind
DIGITS = Path(__file__).parents[3] / "data" / "digits_logits.npz"
NAN, INF = np.nan, np.inf


def save(path: Path, logits: npt.ArrayLike, labels: npt.ArrayLike) -> str:
    np.savez(path, logits=np.asarray(logits), labels=np.asarray(labels))
    return str(path)


def rows_of(result: SettingResult) -> dict[FindingKind, tuple[int, int, int]]:
    """Return (cases, lowest row, highest row) of every finding."""
    return {f.kind: (f.cases, f.lowest.position, f.highest.position) for f in result.findings}


def without_request(report: Report) -> tuple[Any, ...]:
    """What two audits of the same rows in different files must share: all but names of files."""
    settings = [
        replace(s, findings=tuple(replace(f, first=replace(f.first, reproduce=None)) for f in s.findings))
        for s in report.settings
    ]
    return settings, report.recommendations, report.causes, report.rows, report.ignored_rows


def digits(rows: int = 899) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    with np.load(DIGITS) as archive:
        return archive["logits"][:rows], archive["labels"][:rows]


def test_rows_without_truth_are_counted_as_undefined_and_judged_by_nobody(tmp_path: Path) -> None:
    logits = [[NAN, 0.0], [INF, 0.0], [-INF, -INF], [1.0, 2.0], [INF, -INF], [0.5, NAN]]
    report = api.audit(save(tmp_path / "a.npz", logits, [0, 0, 0, 1, 0, 0]), formulations=["compensated"], dtypes=["float32"])
    [result] = report.settings
    assert (result.cases, result.undefined, result.verdict) == (1, 5, Verdict.PASS)
    assert (report.rows, report.ignored_rows) == (6, 0)


def test_a_file_of_undefined_rows_is_judged_by_nobody(tmp_path: Path) -> None:
    report = api.audit(save(tmp_path / "a.npz", [[NAN, 0.0], [-INF, -INF]], [0, 0]), dtypes=["float32"])
    assert {result.verdict for result in report.settings} == {Verdict.UNDEFINED}
    assert report.exit_status() is ExitStatus.USAGE
    assert report.recommendations == ()


def test_a_masked_target_has_an_infinite_loss_which_is_no_defect(tmp_path: Path) -> None:
    file = save(tmp_path / "a.npz", [[0.0, -INF], [-INF, 3.0], [1.0, 2.0]], [1, 1, 0])
    report = api.audit(file, formulations=["compensated", "naive", "log-eps"], dtypes=["float32"])
    compensated, naive, log_eps = report.settings
    assert rows_of(compensated) == {}
    assert (compensated.verdict, compensated.cases, compensated.undefined) == (Verdict.PASS, 3, 0)
    assert K.NAN_GRADIENT in rows_of(naive), "1/p of p = 0"
    assert rows_of(log_eps)[K.VANISHING_GRADIENT] == (1, 0, 0)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
def test_a_finite_loss_of_a_masked_target_is_wrong(dtype: str, tmp_path: Path) -> None:
    file = save(tmp_path / "a.npz", [[0.0, -INF], [1.0, 2.0]], [1, 0])
    [result] = api.audit(file, formulations=["log-eps"], dtypes=[dtype]).settings
    assert rows_of(result)[K.WRONG_LOSS] == (1, 0, 0)


def test_finite_logits_beyond_the_format_are_undefined_there_alone(tmp_path: Path) -> None:
    file = save(tmp_path / "a.npz", [[70000.0, 0.0], [-70000.0, 0.0], [65519.0, 0.0], [1.0, 2.0]], [0, 1, 0, 0])
    report = api.audit(file, formulations=["compensated"], dtypes=["float16", "bfloat16", "float32"])
    assert [(result.cases, result.undefined) for result in report.settings] == [(2, 2), (4, 0), (4, 0)]


def test_ignored_rows_are_neither_judged_nor_undefined(tmp_path: Path) -> None:
    file = save(tmp_path / "a.npz", [[NAN, 0.0], [100.0, 0.0], [1.0, 2.0]], [-7, -7, 1])
    report = api.audit(file, formulations=["naive"], dtypes=["float32"], ignore_index=-7)
    [result] = report.settings
    assert (result.cases, result.undefined, result.verdict) == (1, 0, Verdict.PASS)
    assert (report.rows, report.ignored_rows) == (3, 2)


def test_the_layout_of_the_file_does_not_matter(tmp_path: Path) -> None:
    logits, labels = digits(60)
    first = save(tmp_path / "a.npz", logits, labels)
    np.save(tmp_path / "z.npy", logits)
    np.save(tmp_path / "y.npy", labels)
    np.save(tmp_path / "turned.npy", np.ascontiguousarray(logits.T))
    np.savez_compressed(tmp_path / "packed.npz", logits=logits.astype(np.float64), labels=labels.astype(np.uint8))
    apart, dtypes = str(tmp_path / "y.npy"), ["float16", "float32"]
    expected = without_request(api.audit(first, dtypes=dtypes))
    others = [
        api.audit(str(tmp_path / "z.npy"), labels=apart, dtypes=dtypes),
        api.audit(str(tmp_path / "turned.npy"), labels=apart, class_axis=0, dtypes=dtypes),
        api.audit(save(tmp_path / "b.npz", logits.T, labels), class_axis=0, dtypes=dtypes),
        api.audit(str(tmp_path / "packed.npz"), dtypes=dtypes),
    ]
    assert [without_request(report) == expected for report in others] == [True] * 4


@pytest.mark.parametrize(("rows", "numbers"), [(120, 1), (899, 70), (899, 8990), (899, 2**20)])
def test_the_size_of_blocks_does_not_matter(rows: int, numbers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = save(tmp_path / "a.npz", *digits(rows))
    dtypes = ["float16", "float32"]
    names = ["naive", "clipped", "log-softmax", "compensated"]
    expected = api.audit(file, formulations=names, dtypes=dtypes)
    monkeypatch.setattr(recorded, "NUMBERS_PER_BLOCK", numbers)
    assert api.audit(file, formulations=names, dtypes=dtypes) == expected


def exact_loss(z: list[float], target: int) -> Any:
    return mpmath.log(mpmath.fsum(mpmath.exp(mpmath.mpf(x)) for x in z)) - mpmath.mpf(z[target])


def exact_gradient(z: list[float], target: int) -> list[Any]:
    total = mpmath.fsum(mpmath.exp(mpmath.mpf(x)) for x in z)
    return [mpmath.exp(mpmath.mpf(x)) / total - (j == target) for j, x in enumerate(z)]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_cost_of_rounding_is_that_of_the_exact_loss(dtype: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    logits, labels = rng.normal(scale=4.0, size=(12, 5)).astype(np.float32), rng.integers(0, 5, 12)
    rounded = logits.astype(find_format(dtype).dtype).astype(np.float64)
    [result] = api.audit(save(tmp_path / "a.npz", logits, labels), formulations=["compensated"], dtypes=[dtype]).settings
    cost, precision = result.rounding_cost, find_format(dtype).precision
    assert cost is not None
    assert cost.loss is not None
    with mpmath.workdps(60):
        pairs = list(zip(logits.astype(np.float64).tolist(), rounded.tolist(), labels.tolist(), strict=True))
        exact = [exact_loss(z, y) for z, _, y in pairs]
        changes = [abs(exact_loss(near, y) - loss) for (_, near, y), loss in zip(pairs, exact, strict=True)]
        ulps = [
            c / mpmath.mpf(2) ** (mpmath.floor(mpmath.log(x, 2)) - precision + 1) for c, x in zip(changes, exact, strict=True)
        ]
        gradient = max(
            abs(a - b) for z, near, y in pairs for a, b in zip(exact_gradient(z, y), exact_gradient(near, y), strict=True)
        )
        worst = max(range(12), key=lambda row: ulps[row])
        expected = [float(max(changes)), float(ulps[worst]), float(gradient)]
    assert cost.loss.position == worst
    assert [cost.loss_change, cost.loss.ulps, cost.gradient_change] == pytest.approx(expected, rel=1e-9)
    assert cost.loss_change > 1e-4


def test_logits_that_the_format_holds_cost_nothing(tmp_path: Path) -> None:
    logits, labels = digits(50)
    file = save(tmp_path / "a.npz", logits.astype(np.float16), labels)
    for result in api.audit(file, formulations=["compensated"], dtypes=["float16", "float32", "float64"]).settings:
        assert result.rounding_cost is not None
        assert (result.rounding_cost.loss_change, result.rounding_cost.gradient_change) == (0.0, 0.0)


def test_naive_fails_on_real_logits_in_float16_where_float16_itself_does() -> None:
    logits, labels = digits()
    z = logits.astype(np.float16)
    with np.errstate(all="ignore"):
        e = np.exp(z)
        p = e / e.astype(np.float32).sum(axis=1).astype(np.float16)[:, np.newaxis]
        loss = -np.log(p[np.arange(len(p)), labels])
    nan_rows, inf_rows = np.flatnonzero(np.isnan(loss)), np.flatnonzero(np.isinf(loss))
    report = api.audit(str(DIGITS), formulations=["naive", "compensated"], dtypes=["float16", "float32"])
    found = rows_of(report.settings[0])
    assert found[K.NAN_LOSS] == (nan_rows.size, nan_rows[0], nan_rows[-1])
    assert found[K.INF_LOSS] == (inf_rows.size, inf_rows[0], inf_rows[-1])
    assert nan_rows.size > 400, "it was made to be fatal"
    assert report.settings[0].verdict is Verdict.FAIL
    assert [(r.setting.formulation, r.setting.dtype) for r in report.settings][-1] == ("compensated", "float32")
    assert (report.settings[-1].verdict, report.settings[-1].cases) == (Verdict.PASS, 899)
    assert [(a.dtype, a.formulation) for a in report.recommendations] == [
        ("float16", "compensated"),
        ("float32", "compensated"),
    ]


def test_the_worst_rows_are_failures_first(tmp_path: Path) -> None:
    # naive in float16: row 1 is merely a little off, rows 2 and 4 overflow, rows 0 and 3 are exact
    logits = [[0.0, 0.0], [1.0, 2.0], [20.0, 0.0], [0.0, 0.0], [0.0, 30.0]]
    [result] = api.audit(save(tmp_path / "a.npz", logits, [0, 1, 0, 1, 0]), formulations=["naive"], dtypes=["float16"]).settings
    assert sorted(place.position for place in result.worst_rows[:2]) == [2, 4]
    assert {place.position for place in result.worst_rows[2:]} <= {1}


def test_one_logit_takes_probabilities(tmp_path: Path) -> None:
    file = save(tmp_path / "a.npz", [-30.0, 0.0, 30.0, 2.0], [1.0, 0.5, 0.0, 0.25])
    names = ["sigmoid-naive", "sigmoid-compensated"]
    report = api.audit(file, formulations=names, dtypes=["float32"])
    naive, compensated = report.settings
    assert (naive.setting.classes, naive.cases, naive.verdict) == (1, 4, Verdict.FAIL)
    assert rows_of(naive)[K.INF_LOSS] == (1, 2, 2), "sigmoid(30) rounds to 1"
    assert compensated.verdict is Verdict.PASS


def peak_bytes(file: str, labels: str) -> int:
    tracemalloc.start()
    try:
        api.audit(file, labels=labels, formulations=["naive"], dtypes=["float32"])
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def zeros(rows: int) -> tuple[str, str]:
        logits, labels = tmp_path / f"{rows}.npy", tmp_path / f"{rows}-labels.npy"
        np.lib.format.open_memmap(logits, "w+", np.float32, (rows, 1000)).flush()
        np.save(labels, np.zeros(rows, dtype=np.int64))
        return str(logits), str(labels)

    small, large = peak_bytes(*zeros(1000)), peak_bytes(*zeros(6000))
    assert large < 1.5 * small
    assert large < 6000 * 1000 * 4, "less than the file"


def test_the_five_worst_rows_are_listed() -> None:
    report = api.audit(str(DIGITS), formulations="naive", dtypes="float16")
    assert len(report.settings[0].worst_rows) == 5
