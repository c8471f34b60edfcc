"""Every pair of logits of a format: numbers, what stretches find beside the plain way, reports, and what is refused."""

import json
import shlex
from itertools import product
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

import cestab
from cestab.cases.pairs import find_positions, make_pairs, number_pairs, split_pairs
from cestab.commands.sweep.request import make_sweep_request
from cestab.commands.sweep.restore import load_report
from cestab.commands.sweep.wire import render
from cestab.errors import UsageError
from cestab.evaluation.blocks import Block, evaluate_blocks
from cestab.evaluation.evaluate import evaluate_block
from cestab.evaluation.executors import evaluate_part
from cestab.evaluation.plan import Plan, plan_sweep
from cestab.judgement.summary import Summary
from cestab.numerics.formats import FORMATS
from cestab.numerics.rounding import round_number, to_ordinal
from cestab.vocabulary.marks import Mark


def test_pairs_come_by_their_larger_magnitude_then_by_their_bits() -> None:
    fmt = FORMATS["float8_e4m3fn"]  # whose smallest numbers are multiples of 2^-9
    ordinals = np.arange(-7, 8)
    first, second = (part.ravel() for part in np.meshgrid(ordinals, ordinals, indexing="ij"))
    positions = number_pairs(first, second, fmt)
    assert np.unique(positions).size == 15 * 15
    assert [part.tolist() for part in split_pairs(positions, fmt)] == [first.tolist(), second.tolist()]
    assert positions.tolist() == find_positions(np.arange(15 * 15), (-7, 7), fmt).tolist()
    by_order = (make_pairs(np.sort(positions), fmt).T * 2**9).tolist()
    assert by_order[:9] == [[0, 0], [0, 1], [0, -1], [1, 0], [1, 1], [1, -1], [-1, 0], [-1, 1], [-1, -1]]
    assert by_order[-1] == [-7, -7]


def make_plan(dtype: str, target: str, logits: str = "all", **options: str) -> Plan:
    objective = options.get("objective", "softmax-cross-entropy")
    request = make_sweep_request(objective=objective, dtypes=dtype, logits=logits, patterns="pairs", targets=target)
    return plan_sweep(request)[0]


ROWS = {"bfloat16": (-1e30, -20.0, -0.5, -1e-20, 1e-9, 0.0625, 3.0, 88.0, 1e4), "float16": (-2000.0, -1.0, 6e-8, 5.0, 11.0)}


@pytest.mark.parametrize(("dtype", "target"), [("bfloat16", "wrong"), ("bfloat16", "soft:0.9"), ("float16", "correct")])
def test_rows_of_pairs_are_what_the_plain_way_finds(dtype: str, target: str) -> None:
    plan = make_plan(dtype, target)
    low, high = plan.conditions.ends
    width = high - low + 1
    for start in ROWS[dtype][:: 3 if target == "soft:0.9" else 2]:
        row = int(to_ordinal(start, plan.conditions.fmt)) - low
        block = Block(
            conditions=plan.conditions, formulations=plan.formulations, ordinals=range(row * width, (row + 1) * width)
        )
        proven = evaluate_part(block)
        plain = evaluate_blocks(block.split(), block.formulations, evaluate_block)
        for name in plan.formulations:
            assert describe(proven[name]) == describe(plain[name]), (name, start)


def describe(outcome: object) -> tuple[object, ...]:
    """Return what a summary says, errors to as many digits as two ends of a stretch can differ by."""
    assert isinstance(outcome, Summary)
    errors = (outcome.loss_error.ulps, outcome.gradient_error.ulps, outcome.loss_relative, outcome.gradient_relative)
    tallies = {kind: (own.cases, own.first, own.lowest, own.highest) for kind, own in outcome.tallies.items()}
    return outcome.cases, outcome.ties, outcome.runs, tallies, *(f"{error or 0:.5g}" for error in errors)


def test_all_pairs_of_8_bits_are_counted_as_another_program_counts_them() -> None:
    """−log(exp z_k/Σ exp z) in float8_e5m2, each operation rounded by ml_dtypes: where it is inf or NaN."""
    dtype = ml_dtypes.float8_e5m2
    numbers = np.arange(256, dtype=np.uint8).view(dtype).astype(np.float32)
    numbers = numbers[np.isfinite(numbers) & ~((numbers == 0) & np.signbit(numbers))]

    def rounded(x: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
        return x.astype(dtype).astype(np.float32)

    with np.errstate(all="ignore"):
        e = rounded(np.exp(numbers))
        total = rounded(e[:, np.newaxis] + e)
        p = rounded(e[:, np.newaxis] / total)  # of the first of both
        loss = -rounded(np.log(p))
    smaller = numbers[:, np.newaxis] < numbers  # then the first is wrong; of equal ones the second is
    broken = 2 * int((~np.isfinite(loss) & smaller).sum()) + int((~np.isfinite(loss) & np.eye(len(numbers), dtype=bool)).sum())
    report = cestab.sweep("naive", dtypes="float8_e5m2", patterns="pairs", targets="wrong", logits="all")
    (result,) = report.settings
    assert result.cases == len(numbers) ** 2 == 247**2
    found = {finding.kind.label: finding.cases for finding in result.findings}
    assert found.get("nan-loss", 0) + found.get("inf-loss", 0) + found.get("overflowing-loss", 0) + result.ties == broken
    assert result.ties == 18  # 40,960 + exp(-40,960) beside 40,960, from where on an inf is set aside


def test_a_report_has_both_logits_and_its_command_shows_them() -> None:
    report = cestab.sweep(
        "log-sum-exp", dtypes="float8_e5m2", patterns="pairs", targets=["correct", "wrong"], logits="-100:100"
    )
    written = json.loads(render(report))
    for setting, result in zip(written["settings"], report.settings, strict=True):
        assert setting["intervals"] is None
        assert setting["coverage"] == "exhaustive"
        assert setting["classes"] == 2
        for finding, own in zip(setting["findings"], result.findings, strict=True):
            first = finding["first"]
            assert "t" not in first
            exact = [float.fromhex(text) for text in first["hex"]]
            assert [round_number(z, FORMATS["float8_e5m2"]) for z in first["logits"]] == exact
            assert own.first.value == max(map(abs, exact))
            words = shlex.split(first["reproduce"])
            assert words[:2] == ["cestab", "explain"]
            logits = [float(z) for z in words[-2].removeprefix("--logits=").split(",")]
            explained = cestab.explain("log-sum-exp", dtype="float8_e5m2", logits=logits, target=words[-1].split("=")[1])
            assert own.kind in explained.outcome.findings


def test_a_report_of_pairs_is_read_as_it_was_written(tmp_path: Path) -> None:
    report = cestab.sweep("naive", dtypes="float8_e4m3fn", patterns="pairs", logits="-20:20")
    path = tmp_path / "report.json"
    path.write_text(render(report), encoding="utf-8")
    read = load_report(str(path))
    assert read.settings == report.settings
    assert render(read) == render(report)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"dtypes": "float32"}, "'pairs' tries every pair of a format of at most 16 bits, which float32 is not: ask for "),
        ({"logits": "0:1:9"}, "'pairs' tries every pair: a range of 9 magnitudes has none"),
        ({"classes": 3}, "the pattern 'pairs' has 2 classes, not 3"),
        ({"batch": 4}, "'pairs' has no batches: leave out batch"),
        ({"objective": "binary-cross-entropy"}, "has one logit"),
    ],
)
def test_what_has_no_pairs_is_refused(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        cestab.sweep(**{"dtypes": "bfloat16", "patterns": "pairs", **options})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="'pairs' has no magnitude: give the two logits with logits"):
        cestab.explain("naive", pattern="pairs", at=1.0)


def test_worst_cases_are_pairs_of_the_format() -> None:
    report = cestab.sweep("log-softmax", dtypes="bfloat16", patterns="pairs", targets="wrong", logits="1:1.5")
    (result,) = report.settings
    assert result.cases == 65**2  # 1, 1 + 2^-7, …, 1.5
    grid = 1 + np.arange(65) / 128
    place = result.largest_error.gradient
    assert place is not None
    assert place.pair is not None
    assert tuple(own.value for own in place.pair) in set(product(grid, grid))


def test_cells_of_pairs_say_what_is_wrong_where() -> None:
    """In float8_e5m2 exp(12) overflows, and exp(-14) is 0: beyond, on all four sides, naive is NaN or inf."""
    report = cestab.sweep("naive", dtypes="float8_e5m2", patterns="pairs", targets="wrong", curves=True)
    (result,) = report.settings
    assert [len(row) for row in result.cells] == [64] * 64
    sides = [*result.cells[0], *result.cells[-1], *(row[0] for row in result.cells), *(row[-1] for row in result.cells)]
    assert set(sides) <= {"N", "I", "b"}
    assert result.cells[32][32] == Mark.FINE.letter  # both 0, or next to it
    plain = cestab.sweep("naive", dtypes="float8_e5m2", patterns="pairs", targets="wrong")
    assert plain.settings[0].cells == ()
    assert plain.settings[0].findings == result.findings
