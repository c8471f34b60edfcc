"""Advice: every statement is what algebra says, and its proof is what explain shows."""

import json
import math
import shlex
from typing import Any

import pytest

import cestab
from cestab.commands.advise.answer import Advice, Statement, Topic
from cestab.commands.advise.request import make_advise_request
from cestab.commands.advise.run import run_advise
from cestab.commands.app import run
from cestab.errors import ExitStatus, UsageError

LARGEST = {"float16": 65504.0, "bfloat16": 3.39e38, "float32": 3.4e38}


def of(advice: Advice, topic: Topic, dtype: str) -> Statement:
    (statement,) = (s for s in advice.statements if (s.topic, s.dtype) == (topic, dtype))
    return statement


@pytest.fixture(scope="module")
def advice() -> Advice:
    return cestab.advise(dtypes=["float16", "bfloat16", "float32"], classes=1000, batch=64, logits="-50:50")


def test_every_format_has_every_topic_in_order(advice: Advice) -> None:
    topics = list(Topic)
    assert [(s.dtype, s.topic) for s in advice.statements] == [(dtype, topic) for dtype in LARGEST for topic in topics]


def test_every_proof_is_what_explain_finds(advice: Advice, capsys: pytest.CaptureFixture[str]) -> None:
    proofs = [proof for statement in advice.statements for proof in statement.proofs]
    assert len(proofs) > 4
    for proof in proofs:
        assert run([*shlex.split(proof.reproduce)[1:], "--json"]) == 0
        findings = [finding["kind"] for finding in json.loads(capsys.readouterr().out)["findings"]]
        assert proof.finding in findings, proof


def test_every_command_of_a_statement_runs(advice: Advice, capsys: pytest.CaptureFixture[str]) -> None:
    for statement in advice.statements:
        words = shlex.split(statement.reproduce)
        assert words[:2] == ["cestab", "sweep"]
        assert run([*words[1:], "--json"]) == 0
        capsys.readouterr()


def test_the_epsilon_is_the_smallest_whose_reciprocal_is_finite() -> None:
    """The derivative −1/p of a clipped p is at most 1/ε; only with a range in which p gets there does it show."""
    advice = cestab.advise(dtypes=["float16", "float32"], classes=10, logits="-100:100")
    for dtype in ("float16", "float32"):
        power = math.floor(math.log10(LARGEST[dtype]))
        sentence = of(advice, Topic.EPSILON, dtype).sentence
        assert f"clip at 1e-{power} or more: the loss ends at {power * math.log(10):.4g}"[:46] in sentence
        assert f"1e-{power + 1} does not survive" in sentence


def test_the_largest_loss_scale_keeps_the_largest_loss_finite(advice: Advice) -> None:
    largest_loss = 50 + math.log(999)  # the label's logit is 50 below 999 others
    sentence = of(advice, Topic.LOSS_SCALE, "float16").sentence
    best = 2.0 ** math.floor(math.log2(LARGEST["float16"] / largest_loss))
    assert f" to {best:g} keep every gradient that matters (mean of 64 rows)" in sentence
    assert f"with {2 * best:g} overflowing-loss" in sentence
    assert "which is all that was tried" in of(advice, Topic.LOSS_SCALE, "float32").sentence


def test_a_sum_of_equal_terms_stops_growing_where_digits_end(advice: Advice) -> None:
    """1 + 1 + … in sequence ends at 2^8 in bfloat16, 2^11 in float16, 2^24 in float32."""
    assert "need a wide accumulator (sequential: wrong-loss" in of(advice, Topic.ACCUMULATOR, "bfloat16").sentence
    assert "need no wide accumulator" in of(advice, Topic.ACCUMULATOR, "float32").sentence


def test_what_was_asked_for_is_judged_beside_the_sound_ones() -> None:
    advice = cestab.advise("clipped", dtypes="float32", classes=10)
    sentence = of(advice, Topic.FORMULATION, "float32").sentence
    assert "(not asked for: tried along)" in sentence
    assert "Not clipped: vanishing-gradient from t = " in sentence


def test_what_was_asked_for_and_holds_is_kept() -> None:
    sentence = of(cestab.advise("log-softmax", dtypes="float32", classes=10), Topic.FORMULATION, "float32").sentence
    assert sentence.startswith("use log-softmax, ")
    assert "tried along" not in sentence


def test_one_logit_has_advice_of_its_own() -> None:
    advice = cestab.advise(objective="binary-cross-entropy", dtypes="float32")
    assert of(advice, Topic.FORMULATION, "float32").sentence.startswith("use ")
    assert "--classes" not in of(advice, Topic.FORMULATION, "float32").reproduce


def test_after_an_interruption_the_finished_statements_are_there() -> None:
    def stop(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    request = make_advise_request(dtypes=["float32", "float16"], classes=4)
    advice = run_advise(request, progress=stop)
    assert (advice.is_interrupted, advice.exit_status()) == (True, ExitStatus.INTERRUPTED)
    assert {statement.dtype for statement in advice.statements} == {"float32"}
    assert json.loads(advice.to_json())["interrupted"] is True


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"objective": "focal-loss"},
            "objective focal-loss has no advice; softmax-cross-entropy and binary-cross-entropy have",
        ),
        ({"classes": 0}, "classes 0 is not a number of classes from 1 on"),
        ({"classes": 1}, "softmax-cross-entropy needs at least 2 classes, not 1"),
        ({"dtypes": "fp16"}, "did you mean float16"),
        ({"logits": "5:1"}, "5:1"),
    ],
)
def test_a_mistake_is_a_sentence(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        cestab.advise(**options)


def test_the_table_and_the_json_say_the_same(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    words = ["advise", "--dtype", "bfloat16", "--classes", "300", "--logits=-20:20"]
    assert run([*words, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["schema"] == "cestab.advice/1"
    assert report["request"]["classes"] == 300
    assert run(words) == 0
    text = " ".join(capsys.readouterr().out.replace("\\\n", " ").split())
    for statement in report["statements"]:
        assert " ".join(statement["sentence"].split()) in text
