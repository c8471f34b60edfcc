"""Root causes worked out by hand: operation and cause of the worst finding of a case."""

import io
import json
import math
import re
import shlex
from contextlib import redirect_stdout
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from cestab.commands.app import run
from cestab.commands.explain.answer import Cause

C = Cause
CASES = [
    # exp 100 = 2.7e43 > 3.4e38; exact v1 alone leaves Σ = 2.7e43 to overflow, so no single operation removes the NaN
    ("-f naive --logits 100,0 --target 1", "nan-gradient", "v1 = exp(z)", C.OVERFLOW, False),
    # exp 11.05 = 62,943 < 65,504 fits, three of them do not: the sum alone overflows
    ("-f naive --dtype float16 --logits 11.05,11.05,11.05 --target 0", "nan-gradient", "v2 = Σ v1", C.OVERFLOW, True),
    # p = exp −90 = 8e-40 is subnormal, 1/p = 1.2e39 > 3.4e38; the softmax's p·(…) would bring it back to 1
    ("-f softmax-log --logits 90,0 --target 1", "nan-gradient", "g3 = g2 / v1", C.OVERFLOW, True),
    # exp −104 = 6.8e-46 < 2^-150; with that p, 1/p = 1.5e45 overflows all the same
    ("-f softmax-log --logits 104,0 --target 1", "nan-gradient", "v1 = softmax(z)", C.UNDERFLOW, False),
    # exp −200 = 1.4e-87 for every class, so Σ = 0 and log 0 = −inf; an exact exp leaves Σ to underflow
    ("-f unshifted-lse --logits=-200,-200 --target 0", "nan-gradient", "v1 = exp(z)", C.UNDERFLOW, False),
    # σ(−120) = 7.7e-53 is 0, y = 0: 0·log 0 is NaN; with p = 7.7e-53 the product is 0·(−120) = 0
    ("-f sigmoid-naive --logits=-120 --target 0", "nan-loss", "v1 = sigmoid(z)", C.UNDERFLOW, True),
    # lse = 300 + log 2 = 300.69; bfloat16's spacing at 300 is 2, so log 2 is lost
    ("-f log-sum-exp --dtype bfloat16 --logits 300,300 --target 0", "wrong-loss", "v6 = v1 + v5", C.ABSORPTION, True),
    # Σ = 1 + exp −40 = 1 + 4e-18 is 1; with the exact sum log gives 4e-18
    ("-f log-softmax --logits 40,0 --target 0", "zeroed-loss", "v4 = Σ v3", C.ABSORPTION, True),
    # 600 ones added one by one in bfloat16 stop at 256, where the next float is 258
    (
        "-f log-sum-exp --dtype bfloat16 --summation sequential --pattern equal --classes 600 --at 1 --target correct",
        "wrong-loss",
        "v4 = Σ v3",
        C.ABSORPTION,
        True,
    ),
    # 17 + 4e-8 is 17 and 17 − 17 = 0: the sum 1 + 4e-8 is 1, too, so it takes two exact results; the sum is the first
    ("-f log-sum-exp --logits 17,0 --target 0", "zeroed-loss", "v4 = Σ v3", C.ABSORPTION, False),
    # lse = −1 + log(1 + exp −5.7) = −0.99666: the sum and its log are rounded, −0.997 and z differ in their last digits only
    ("-f log-sum-exp --dtype float16 --logits=-1,-6.7 --target 0", "inaccurate-loss", "v8 = v6 − v7", C.CANCELLATION, False),
    # Σ = 1 + 8e-7 is 1 in bfloat16, log 1 = 0 is right, and 14 + 8e-7 would be lost, too: the zero was made in the sum
    (
        "-f log-sum-exp --dtype bfloat16 --pattern margin --classes 2 --target correct --at=14",
        "zeroed-loss",
        "v4 = Σ v3",
        C.ABSORPTION,
        False,
    ),
    # −1.7e38 − 1.7e38 = −3.402e38 ends beyond 3.39e38; −inf − log Σ and −inf·y carry it on
    (
        "-f log-softmax --dtype bfloat16 --pattern spread --classes 10 --target smooth:0.1 --at=1.7e38",
        "inf-loss",
        "v2 = z − v1",
        C.OVERFLOW,
        False,
    ),
    # 1000 ones added one by one in bfloat16 stop at 256, at logits of 0, too
    (
        "-f log-sum-exp --dtype bfloat16 --summation sequential --pattern equal --classes 1000 --target wrong --at 0",
        "wrong-loss",
        "v4 = Σ v3",
        C.ABSORPTION,
        True,
    ),
    # exp 710 = 2.2e308 > 1.8e308, and p = exp −746 = 1e-324 < 2^-1075
    ("-f naive --dtype float64 --logits 710,0 --target 1", "nan-gradient", "v1 = exp(z)", C.OVERFLOW, False),
    ("-f softmax-log --dtype float64 --logits 746,0 --target 1", "nan-gradient", "v1 = softmax(z)", C.UNDERFLOW, False),
    # exact exponents of 10^7.8e307 bits: no number of Python's holds them
    (
        "-f softmax-log --dtype float64 --pattern margin --classes 1000 --target wrong --at=1.7976929550930205e+308",
        "nan-gradient",
        "v1 = softmax(z)",
        C.UNDERFLOW,
        False,
    ),
    ("-f naive --dtype float64 --logits=1e308,-1e308 --target 1", "nan-gradient", "v1 = exp(z)", C.OVERFLOW, False),
    # sums of exact and of rounded numbers
    ("-f naive --summation pairwise --logits 100,0,1,2,3,4,5 --target 1", "nan-gradient", "v1 = exp(z)", C.OVERFLOW, False),
    # the gradient −0.018·1e-6 = −1.8e-8 is below half of 6e-8, float16's least number: the last step is 0 whatever comes before
    (
        "-f sigmoid-compensated --dtype float16 --logits=4 --target 1 --loss-scale 1e-6",
        "underflowing-gradient",
        "g9 = g8·1.013279e-06",
        C.UNDERFLOW,
        False,
    ),
    # p = 2e-9 < 1e-7: the loss is −log 1e-7, and worse, the clip's derivative is 0
    ("-f clipped --logits 20,0 --target 1", "vanishing-gradient", "g4 = g3 where v1 is not clipped", C.CLIPPED, True),
    # in float16 p = 2e-9 is 0, too, so the exact derivative of the clip is multiplied by 0: it takes both, p was lost first
    ("-f clipped --dtype float16 --logits 20,0 --target 1", "vanishing-gradient", "v1 = softmax(z)", C.UNDERFLOW, False),
    # p = 9e-14 beside eps = 1e-7: the loss is −log 1e-7 = 16.1 instead of 30
    ("-f log-eps --logits 30,0 --target 1", "wrong-loss", "v2 = v1 + eps(1e-07)", C.CLIPPED, True),
    # PyTorch's max((1 − p)·p, 1e-12) at p = 1.9e-22 divides by 5e9 times too much
    (
        "-f sigmoid-clamped-log --logits=-50 --target 1",
        "wrong-gradient",
        "g5 = clip(g4, 1e-12, inf)",
        C.CLIPPED,
        True,
    ),
    # σ(50) = 1 − 2e-22 is 1 in float32, so 1 − p = 0, log 0 = −inf and 0·(−inf) is NaN
    ("-f sigmoid-naive --logits 50 --target 1", "nan-loss", "v1 = sigmoid(z)", C.ROUNDING, True),
    # σ(20) = 1 − 2e-9 is 1 in float32, so p − y = 0
    ("-f bce-with-logits --logits 20 --target 1", "zeroed-gradient", "g1 = sigmoid(z)", C.ROUNDING, True),
    # a masked class has log p = −inf and weight 0: Σ y·log p forms 0·(−inf), which the truth leaves out
    (
        "-f log-softmax --logits=-inf,0,1 --target 0,0.5,0.5",
        "nan-loss",
        "v7 = v6·y",
        C.ZERO_TIMES_INFINITY,
        True,
    ),
    # a masked class has p = 0 and no share of the target: the derivative of log forms 0/0
    ("-f softmax-log --logits=-inf,0,1 --target 2", "nan-gradient", "g3 = g2 / v1", C.DIVISION_BY_ZERO, False),
    # exp −200 is 0 and log 0 = −inf; the target is masked, so its logit is −inf, too, and the true loss is inf
    ("-f unshifted-lse --logits=-inf,-200 --target 0", "nan-loss", "v5 = v3 − v4", C.INFINITY_MINUS_INFINITY, True),
    # saturating, exp 8 = 2981 is 448, and so is the sum: p = 1 without any infinity
    (
        "-f naive --dtype float8_e4m3fn --fp8-overflow saturate --logits 8,0 --target 1",
        "wrong-loss",
        "v1 = exp(z)",
        C.OVERFLOW,
        False,
    ),
]


def test_every_cause_occurs() -> None:
    assert {cause for _, _, _, cause, _ in CASES} == set(Cause)


@pytest.mark.parametrize(("arguments", "finding", "operation", "cause", "is_sole"), CASES, ids=[case[0] for case in CASES])
def test_the_root_cause_is_the_one_found_by_hand(
    arguments: str, finding: str, operation: str, cause: Cause, *, is_sole: bool
) -> None:
    with redirect_stdout(io.StringIO()) as stream:
        assert run(["explain", *shlex.split(arguments), "--json"]) == 0
    root = json.loads(stream.getvalue())["root_cause"]
    assert (root["finding"], root["operation"], root["cause"], root["sole"]) == (finding, operation, cause, is_sole)
    assert root["sentence"].startswith(f"{operation} is ")


def explain(arguments: str) -> Any:
    with redirect_stdout(io.StringIO()) as stream:
        assert run(["explain", *shlex.split(arguments), "--json"]) == 0
    return json.loads(stream.getvalue())


@pytest.mark.parametrize(
    ("arguments", "finding", "limits"),
    [
        # 60000 − (−60000) = 120,000 > 65,504 is the loss itself
        (
            "-f compensated --dtype float16 --logits 60000,-60000 --target 1",
            None,
            ["the true loss is beyond float16: nothing in this format could do better"],
        ),
        # the loss 2e308 is beyond float64, but the gradient is not: naive's NaN has a cause
        (
            "-f naive --dtype float64 --logits=1e308,-1e308 --target 1",
            "nan-gradient",
            ["the true loss is beyond float64: nothing in this format could do better"],
        ),
        ("-f naive --logits 100,0 --target 1", "nan-gradient", []),
    ],
)
def test_no_operation_is_to_blame_for_a_truth_beyond_the_format(arguments: str, finding: str | None, limits: list[str]) -> None:
    report = explain(arguments)
    assert (report["root_cause"] and report["root_cause"]["finding"], report["limits"]) == (finding, limits)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        # p of class 0 is 1 − 2e-9 and eps does it no harm; that of the target is 2e-9
        ("-f log-eps --logits 20,0 --target 1", "is 1.0206116e-07 instead of 2.061153618e-9 for class 1: eps"),
        # the gradient of class 5 is off, not that of class 0, whose rounding is the first
        ("-f unshifted-lse --dtype float16 --from tests/data/digits_logits.npz --row 49", "for class 5: "),
        # the first overflow, of equal harm to all others
        ("-f naive --pattern spread --classes 30 --at=-100 --target wrong", "for class 0: overflow"),
    ],
)
def test_the_class_that_is_named_is_the_one_that_did_the_harm(arguments: str, words: str) -> None:
    assert words in explain(arguments)["root_cause"]["sentence"]


def test_a_loss_is_not_blamed_on_the_gradient() -> None:
    saturating = (
        "-f log-eps --dtype float8_e4m3fn --fp8-overflow saturate --pattern margin --classes 2 --target correct --at=3.2"
    )
    root = explain(saturating)["root_cause"]
    assert root["finding"] == "inaccurate-loss"
    assert root["operation"].startswith("v")


@pytest.mark.thorough
def test_no_sentence_says_that_a_number_is_itself() -> None:
    rng = np.random.default_rng(3)
    for _ in range(150):
        name = rng.choice(["naive", "softmax-log", "unshifted-lse", "log-softmax"])
        logits = ",".join(map(str, rng.choice([0.0, -0.5, 20.0, 710.0, -750.0, 40.0, -math.inf], 2)))
        arguments = f"-f {name} --dtype {rng.choice(['float16', 'float64'])} --logits={logits},1 --target {rng.integers(3)}"
        root = explain(arguments)["root_cause"]
        if root is not None and "instead of" in root["sentence"]:
            found = re.search(r" is (\S+) instead of (.+?)(?: for class \d+)?: ", root["sentence"])
            assert found is not None
            assert found[2] != "?"
            assert not re.fullmatch(r"[-+.e\dinfa]+", found[2]) or Decimal(found[1]) != Decimal(found[2])
