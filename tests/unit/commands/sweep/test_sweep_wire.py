"""The JSON report of hand-made results: strict, with every number and word in its place."""

import json
from dataclasses import replace
from typing import Any, NoReturn

import pytest

from builders import build_audit_request, build_finding, build_place, build_result, build_setting, build_sweep_request
from cestab.commands.sweep import wire as json_v1
from cestab.commands.sweep.answer import Cause, Recommendation, Report
from cestab.vocabulary.kinds import Coverage, FindingKind, Fp8Overflow, Summation, Verdict
from cestab.vocabulary.objectives import SOFTMAX_CROSS_ENTROPY
from cestab.vocabulary.recorded import Portrait, Quantity
from cestab.vocabulary.requests import Arithmetics, LogitRange
from cestab.vocabulary.settings import Environment, Finding, Interval, LargestError, Place, RoundingCost, SettingResult

K = FindingKind
SOFTMAX = SOFTMAX_CROSS_ENTROPY
INF, NAN = float("inf"), float("nan")
ENVIRONMENT = Environment(python="3.99", numpy="9.9", platform="some “platform”", cpu="a\tprocessor", simd=("A", "B"))
SETTING = build_setting(compute="float64", loss_scale=8.0)


def place(t: float, ulps: float | None = None, reproduce: str | None = None) -> Place:
    return build_place(t, position=0, hexadecimal=t.hex(), ulps=ulps, reproduce=reproduce)


def row(number: int, ulps: float | None = None, reproduce: str | None = None) -> Place:
    return build_place(float(number), position=number, decimal=str(number), ulps=ulps, reproduce=reproduce)


def finding(worst: float | None) -> Finding:
    return build_finding(
        K.NAN_GRADIENT,
        place(-1.5, None, "cestab explain …"),
        cases=64,
        lowest=place(-3.0),
        highest=place(2.0),
        worst=place(2.0, worst),
        is_at_most=True,
    )


def result(worst: float | None = None) -> SettingResult:
    largest = LargestError(loss=place(0.25, 1.5), gradient=None, loss_relative=0.125, gradient_relative=INF)
    interval = Interval(start=place(-3.0), stop=place(2.0), loss=None, gradient=K.NAN_GRADIENT)
    return build_result(
        SETTING,
        Verdict.FAIL,
        cases=131,
        undefined=4,
        ties=5,
        findings=(finding(worst),),
        largest_error=largest,
        intervals=(interval,),
        interval_count=70,
        unrefined_boundaries=2,
    )


def sweep_report(*results: SettingResult, **arithmetics: Any) -> Report:
    options = Arithmetics(
        dtypes=("float32",), compute="float64", summations=(Summation.WIDE,), loss_scales=(8.0,), **arithmetics
    )
    request = build_sweep_request(arithmetics=options, logits=LogitRange(low=-3.0, high=2.0), seed=7, fail_on=("fail",))
    advice = Recommendation(dtype="float32", formulation=None, why="none passes")
    return Report(
        version="1.2.3",
        environment=ENVIRONMENT,
        request=request,
        settings=results,
        recommendations=(advice,),
        causes=(Cause(formulation="naive", operation="exp(z)", dtypes=("float32",), sentence="it overflows"),),
        escalated=3,
    )


def audit_report(setting_result: SettingResult) -> Report:
    request = build_audit_request("a b.npz", arithmetics=Arithmetics(dtypes=("float32",)), class_axis=0, ignore_index=-1)
    return Report(
        version="1.2.3",
        environment=ENVIRONMENT,
        request=request,
        settings=(setting_result,),
        recommendations=(),
        causes=(),
        escalated=0,
        portrait=Portrait(
            logits_key="logits",
            labels_key="labels",
            dtype="float32",
            shape=(10, 3),
            class_axis=1,
            rows=8,
            logits=(-2.0, -1.0, 0.0, 1.0, 2.0),
            margins=(),
            extremes={Quantity.SPREAD: 4.0},
            probability_rows=0,
        ),
        rows=10,
        ignored_rows=2,
    )


def refuse(name: str) -> NoReturn:
    raise AssertionError(f"{name} is no JSON")


def parse(report: Report) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(json_v1.render(report), parse_constant=refuse)
    return parsed


@pytest.mark.parametrize(
    ("number", "shown"), [(INF, "inf"), (-INF, "-inf"), (NAN, "nan"), (None, None), (0.0, 0.0), (1e300, 1e300)]
)
def test_numbers_that_json_cannot_hold_are_words_and_missing_ones_null(number: float | None, shown: object) -> None:
    [setting] = parse(sweep_report(result(number)))["settings"]
    assert setting["findings"][0]["worst"]["ulps"] == shown


def test_a_setting_has_its_values_under_their_names() -> None:
    [setting] = parse(sweep_report(result()))["settings"]
    first = {"t": -1.5, "hex": "-0x1.8000000000000p+0", "bound": "at-most", "reproduce": "cestab explain …"}
    assert setting == {
        "formulation": "naive",
        "objective": "softmax-cross-entropy",
        "dtype": "float32",
        "compute": "float64",
        "summation": "wide",
        "pattern": "margin",
        "classes": 2,
        "target": "wrong",
        "loss_scale": 8.0,
        "batch": 1,
        "reduction": "mean",
        "options": {},
        "cases": 131,
        "undefined": 4,
        "ties": 5,
        "coverage": "sampled",
        "verdict": "fail",
        "findings": [
            {
                "kind": "nan-gradient",
                "severity": "fail",
                "cases": 64,
                "first": first,
                "first_positive": None,
                "first_negative": first,
                "lowest": {"t": -3.0, "hex": "-0x1.8000000000000p+1"},
                "highest": {"t": 2.0, "hex": "0x1.0000000000000p+1"},
                "worst": {"t": 2.0, "hex": "0x1.0000000000000p+1", "ulps": None},
            }
        ],
        "intervals": [
            {
                "from": {"t": -3.0, "hex": "-0x1.8000000000000p+1"},
                "to": {"t": 2.0, "hex": "0x1.0000000000000p+1"},
                "loss": None,
                "gradient": "nan-gradient",
            }
        ],
        "interval_count": 70,
        "unrefined_boundaries": 2,
        "max_error": {
            "loss_ulps": 1.5,
            "loss_at": 0.25,
            "gradient_ulps": None,
            "gradient_at": None,
            "loss_relative": 0.125,
            "gradient_relative": "inf",
        },
    }


def test_the_rest_of_a_sweep_has_its_values_under_their_names() -> None:
    report = parse(sweep_report(result(), atol=0.5, fp8_overflow=Fp8Overflow.SATURATE, flush_subnormals=True))
    del report["settings"]
    request = report.pop("request")
    assert report == {
        "schema": "cestab.sweep/1",
        "version": "1.2.3",
        "environment": {
            "python": "3.99",
            "numpy": "9.9",
            "platform": "some “platform”",
            "cpu": "a\tprocessor",
            "simd": ["A", "B"],
        },
        "summary": {"pass": 0, "warn": 0, "fail": 1, "cases": 131, "escalated": 3},
        "recommendation": [{"dtype": "float32", "formulation": None, "why": "none passes", "cure": None}],
        "causes": [{"formulation": "naive", "operation": "exp(z)", "dtype": ["float32"], "sentence": "it overflows"}],
    }
    assert (request["loss_scale"], request["rtol"], request["atol"]) == ([8.0], None, 0.5)
    assert (request["fp8_overflow"], request["flush_subnormals"]) == ("saturate", True)
    assert (request["logits"], request["seed"], request["fail_on"]) == ("-3.0:2.0:log", 7, ["fail"])


def test_an_unsupported_setting_says_why_and_is_counted() -> None:
    unsupported = build_result(SETTING, Verdict.UNSUPPORTED, cases=0, reason="no infinity")
    report = parse(sweep_report(result(), unsupported))
    assert [setting.get("reason") for setting in report["settings"]] == [None, "no infinity"]
    assert "reason" not in report["settings"][0]
    assert report["settings"][1]["verdict"] == "unsupported"
    assert report["settings"][1]["intervals"] == report["settings"][1]["findings"] == []
    assert report["summary"] == {"pass": 0, "warn": 0, "fail": 1, "unsupported": 1, "cases": 131, "escalated": 3}


def test_an_audit_has_rows_in_place_of_t_and_no_map() -> None:
    setting = replace(SETTING, pattern=None, target=None)
    rows = build_finding(
        K.INF_LOSS, row(3, None, "cestab explain …"), cases=2, lowest=row(3), highest=row(5), worst=row(5, INF)
    )
    cost = RoundingCost(loss=row(4, 0.5), loss_change=1e-3, gradient=None, gradient_change=INF)
    audited = replace(
        result(),
        setting=setting,
        coverage=Coverage.RECORDED,
        findings=(rows,),
        largest_error=LargestError(loss=row(9, 2.0), gradient=None),
        worst_rows=(row(5, INF), row(3)),
        rounding_cost=cost,
    )
    report = parse(audit_report(audited))
    [shown] = report["settings"]
    assert report["schema"] == "cestab.audit/1"
    assert report["summary"] | {"rows": 10, "ignored": 2} == report["summary"]
    assert (report["request"]["file"], report["request"]["labels"]) == ("a b.npz", None)
    assert (report["request"]["axis"], report["request"]["ignore_index"]) == (0, -1)
    assert {"pattern", "target", "intervals", "interval_count"} & set(shown) == set()
    assert shown["findings"] == [
        {
            "kind": "inf-loss",
            "severity": "fail",
            "cases": 2,
            "first": {"row": 3, "index": [3], "reproduce": "cestab explain …"},
            "lowest": {"row": 3, "index": [3]},
            "highest": {"row": 5, "index": [5]},
            "worst": {"row": 5, "index": [5], "ulps": "inf"},
        }
    ]
    largest = {"loss_ulps": 2.0, "loss_at": 9, "gradient_ulps": None, "gradient_at": None}
    assert shown["max_error"] == largest | {"loss_relative": None, "gradient_relative": None}
    assert shown["worst_rows"] == [{"row": 5, "index": [5], "ulps": "inf"}, {"row": 3, "index": [3], "ulps": None}]
    expected = {"loss_ulps": 0.5, "loss_row": 4, "loss_change": 1e-3}
    portrait = {"shape": [10, 3], "axis": 1, "rows": 8, "spread": 4.0, "offset": None, "margins": []}
    assert report["portrait"] | portrait == report["portrait"]
    assert (report["data"], report["conclusions"]) == ([], [])
    assert shown["rounding_cost"] == expected | {"gradient_ulps": None, "gradient_row": None, "gradient_change": "inf"}


def test_the_same_report_gives_the_same_bytes_without_escapes_of_letters() -> None:
    first, second = (json_v1.render(sweep_report(result(INF))) for _ in range(2))
    assert first == second
    assert "“platform”" in first
    assert first.endswith("}\n")
