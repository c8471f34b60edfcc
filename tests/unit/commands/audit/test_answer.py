"""The answer of an audit: what the logits are like, headroom, what training sees, and the sentence, against NumPy."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cestab import api
from cestab.commands.audit.effect import EffectTotals
from cestab.commands.audit.portrait import PortraitTotals, Spectrum, sketch
from cestab.commands.sweep.answer import Report
from cestab.evaluation.evaluate import evaluate_at
from cestab.evaluation.plan import plan_arithmetics
from cestab.numerics.target import IndexTarget
from cestab.vocabulary.objectives import BINARY_CROSS_ENTROPY, SOFTMAX_CROSS_ENTROPY
from cestab.vocabulary.recorded import QUANTILES, Quantity, Safety
from cestab.vocabulary.requests import Arithmetics
from cestab.vocabulary.settings import SettingResult

DIGITS = Path(__file__).parents[3] / "data" / "digits_logits.npz"


def save(path: Path, logits: Any, labels: Any) -> str:
    np.savez(path, logits=np.asarray(logits), labels=np.asarray(labels))
    return str(path)


def setting(report: Report, name: str, dtype: str) -> SettingResult:
    (found,) = (r for r in report.settings if (r.setting.formulation, r.setting.dtype) == (name, dtype))
    return found


@pytest.mark.parametrize("scale", [1e-30, 0.3, 40.0, 1e30])
def test_quantiles_are_those_of_numpy_within_two_percent(scale: float) -> None:
    numbers = np.random.default_rng(1).normal(size=5001) * scale
    parts = [Spectrum.of(part) for part in np.split(numbers, [10, 700])]
    found = parts[0].merge(parts[1]).merge(parts[2]).quantiles()
    expected = np.quantile(numbers, QUANTILES, method="inverted_cdf")
    np.testing.assert_allclose(found, expected, rtol=0.02)
    assert (found[0], found[-1]) == (numbers.min(), numbers.max())
    assert Spectrum.of(np.array([np.nan, np.inf])).quantiles() == ()


def test_the_portrait_is_that_of_the_rows_that_have_a_truth() -> None:
    draw = np.random.default_rng(2)
    logits, labels = draw.normal(size=(7, 50)) * 5, draw.integers(0, 7, 50)
    logits[2, 4], logits[3, 5], logits[:, 6] = -np.inf, np.nan, -np.inf
    totals = PortraitTotals()
    for part in (slice(0, 5), slice(5, 50)):
        totals = totals.merge(sketch(np.ascontiguousarray(logits[:, part]), labels[part], SOFTMAX_CROSS_ENTROPY))
    kept = [row for row in range(50) if row not in (5, 6)]
    finite = np.where(np.isfinite(logits), logits, np.nan)[:, kept]
    assert totals.rows == 48
    spread = np.nanmax(finite, axis=0) - np.nanmin(finite, axis=0)
    expected = (np.nanmax(finite), np.nanmax(spread), np.abs(np.nanmax(finite, axis=0)).max())
    assert totals.extremes == pytest.approx(expected, rel=1e-15)
    margins = [logits[labels[row], row] - max(np.delete(logits[:, row], labels[row])) for row in kept]
    finite_margins = [m for m in margins if np.isfinite(m)]
    assert (totals.margins.low, totals.margins.high) == (min(finite_margins), max(finite_margins))


def test_of_one_logit_the_margin_is_towards_its_label() -> None:
    totals = sketch(np.array([[3.0, -2.0, 5.0]]), np.array([1.0, 0.0, 0.0]), BINARY_CROSS_ENTROPY)
    assert (totals.margins.low, totals.margins.high) == (-5.0, 3.0)
    assert totals.extremes[2] == 5.0  # the size of the largest


def test_rows_of_probabilities_are_counted(tmp_path: Path) -> None:
    logits = np.random.default_rng(3).normal(size=(20, 5))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    report = api.audit(save(tmp_path / "a.npz", p.astype(np.float16), np.zeros(20, dtype=int)), dtypes=["float32"])
    assert report.portrait is not None
    assert (report.portrait.rows, report.portrait.probability_rows) == (20, 20)
    other = api.audit(save(tmp_path / "b.npz", logits, np.zeros(20, dtype=int)), dtypes=["float32"])
    assert other.portrait is not None
    assert other.portrait.probability_rows == 0


def test_the_effect_is_that_of_the_whole_vector() -> None:
    draw = np.random.default_rng(4)
    logits, target = draw.normal(size=(6, 40)), IndexTarget(index=draw.integers(0, 6, 40))
    conditions = next(plan_arithmetics(Arithmetics(dtypes=("float64",)), SOFTMAX_CROSS_ENTROPY))
    truth = evaluate_at(conditions, logits, target, precise=False)
    loss, gradient = truth.loss * 1.25, truth.gradient + draw.normal(size=(6, 40)) * 0.01
    effect = EffectTotals.of((loss, gradient), truth).sum_up()
    assert effect is not None
    g, computed = truth.gradient.ravel(), gradient.ravel()
    assert effect.mean_loss == pytest.approx(np.mean(truth.loss), rel=1e-5)
    assert effect.loss_error == pytest.approx(0.25, rel=1e-5)
    assert effect.gradient_error == pytest.approx(np.linalg.norm(computed - g) / np.linalg.norm(g), rel=1e-5)
    assert effect.cosine == pytest.approx(computed @ g / np.linalg.norm(computed) / np.linalg.norm(g), rel=1e-5)
    loss[3], gradient[2, 3] = np.inf, np.nan
    broken = EffectTotals.of((loss, gradient), truth).sum_up()
    assert broken is not None
    assert broken.loss_error == math.inf
    assert math.isnan(broken.gradient_error or 0.0)
    assert math.isnan(broken.cosine or 0.0)
    assert EffectTotals.of((loss, None), truth).sum_up().gradient_error is None  # type: ignore[union-attr]


def test_headroom_is_where_a_sweep_breaks() -> None:
    report = api.audit(str(DIGITS), dtypes=["float16", "float32"])
    with np.load(DIGITS) as archive:
        logits = archive["logits"].astype(np.float64)
    extremes = {
        Quantity.LARGEST_LOGIT: logits.max(),
        Quantity.SPREAD: (logits.max(axis=1) - logits.min(axis=1)).max(),
        Quantity.OFFSET: np.abs(logits.max(axis=1)).max(),
    }
    swept = api.sweep("softmax-log", dtypes=["float16", "float32"], patterns="margin", classes=10, targets=["correct", "wrong"])
    for dtype in ("float16", "float32"):
        headroom = setting(report, "softmax-log", dtype).headroom
        assert headroom is not None
        firsts = [
            f.first_positive
            for r in swept.settings
            for f in r.findings
            if r.setting.dtype == dtype and f.kind.severity == "fail"
        ]
        assert headroom.breaks_at == min(first.value for first in firsts if first is not None)
        for name in ("naive", "softmax-log", "log-sum-exp"):
            own = setting(report, name, dtype).headroom
            assert own is not None
            assert own.recorded == extremes[own.quantity]
        assert setting(report, "log-softmax", dtype).headroom is None
        assert setting(report, "compensated", dtype).headroom is None


@pytest.mark.parametrize(
    ("options", "safety", "words"),
    [
        ({"formulations": "log-softmax", "dtypes": "float32"}, Safety.SAFE, ["safe with log-softmax", "zeroed-gradient"]),
        (
            {"formulations": "naive", "dtypes": "float16"},
            Safety.SAFE_WITH,
            ["safe with ", "tried along", "Not with naive (nan-loss"],
        ),
        ({"dtypes": "float64"}, Safety.SAFE_WITH, ["safe with compensated, passes in every row", "clipped"]),
    ],
)
def test_the_conclusion_says_whether_the_run_is_safe(options: dict[str, Any], safety: Safety, words: list[str]) -> None:
    (conclusion,) = api.audit(str(DIGITS), **options).conclusions
    assert conclusion.safety is safety
    assert [word for word in words if word not in conclusion.sentence] == []
    assert (conclusion.reproduce is None) is (safety is Safety.SAFE)


def test_logits_that_the_format_does_not_hold_are_not_safe(tmp_path: Path) -> None:
    file = save(tmp_path / "a.npz", [[1e5, 0.0], [np.nan, 0.0], [1.0, 2.0]], [0, 0, 1])
    half, single = api.audit(file, formulations="compensated", dtypes=["float16", "float32"]).conclusions
    assert (half.safety, single.safety) == (Safety.NOT_SAFE, Safety.NOT_SAFE)
    assert half.sentence.endswith("; 1 of 3 rows have a logit beyond float16, first row 0")
    assert single.sentence == "not safe: 1 of 3 rows have no true loss (a logit is NaN or +inf, or all are -inf), first row 1"


def test_a_failure_that_a_wider_format_cures_is_safe_with_it(tmp_path: Path) -> None:
    (tmp_path / "losses.py").write_text(
        "import numpy as np\n"
        "def loss(z, y):\n"
        "    m = z.max(axis=1, keepdims=True)\n"
        "    return (m[:, 0] + np.log(np.exp(z - m).sum(axis=1))) - z[np.arange(len(z)), y]\n",
        encoding="utf-8",
    )
    file = save(tmp_path / "a.npz", np.array([[600.0, 599.0], [600.0, 600.0]]), [1, 0])
    (conclusion,) = api.audit(file, formulations=f"{tmp_path}/losses.py:loss", dtypes="float16").conclusions
    assert conclusion.safety is Safety.SAFE_WITH
    assert "with --compute float32: loss(logits.astype(np.float32), target)" in conclusion.sentence
