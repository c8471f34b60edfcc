"""`cestab explain` on arguments that nobody would choose: status 0 or 2, one sentence if 2, never a traceback."""

import io
import json
import math
from contextlib import redirect_stderr, redirect_stdout

import pytest
from hypothesis import event, given, seed
from hypothesis import strategies as st

from cestab.cases.patterns import PATTERNS
from cestab.commands.app import run
from cestab.formulations import FORMULATIONS
from cestab.numerics.formats import FORMATS
from cestab.vocabulary.kinds import Summation
from fuzz import examples

PARTS, EXAMPLES = 4, 15
TARGETS = ("correct", "wrong", "one-hot-correct", "one-hot-wrong", "smooth:0.1", "soft:0.9", "soft:0.25", "uniform")
PARAMETERS = (
    "clipped:eps=1e-8",
    "clipped:eps=0.5,bounds=closed",
    "log-eps:eps=0",
    "online:chunk=1",
    "sigmoid-clipped:eps=1e-30",
)


def extremes(dtype: str) -> list[float]:
    """Magnitudes at the ends of a format and beyond, both signs."""
    fmt = FORMATS[dtype]
    sizes = [0.0, fmt.smallest_subnormal, fmt.smallest_normal, 1.0, 17.0, 89.0, 104.0, 745.0, fmt.max / 2, fmt.max]
    return [*sizes, *(-x for x in sizes[1:]), *sizes, math.inf]


@st.composite
def arguments(draw: st.DrawFn) -> list[str]:
    name, dtype = draw(st.sampled_from([*FORMULATIONS, *PARAMETERS])), draw(st.sampled_from(sorted(FORMATS)))
    words = ["explain", "-f", name, "--dtype", dtype]
    magnitudes = st.sampled_from(extremes(dtype)) | st.floats(-200, 200, width=32)
    is_binary = FORMULATIONS[name.partition(":")[0]].objective.is_binary
    if draw(st.booleans()):
        classes = 1 if is_binary else draw(st.integers(2, 9))
        logits = [repr(draw(magnitudes | st.just(-math.inf))) for _ in range(classes)]
        labels = ["0", "1", "0.25", "correct"] if is_binary else ["0", "1", *TARGETS, ",".join(["0.25"] * classes), "12"]
        target = draw(st.sampled_from([*labels, "1e400"]))
        words += [f"--logits={','.join(logits)}", f"--target={target}"]
    else:
        kinds = ("correct", "wrong", "soft:0.25", "soft:1", "uniform") if is_binary else (*TARGETS, "soft:2")
        words += [f"--at={draw(magnitudes)!r}", "--target", draw(st.sampled_from(kinds))]
        if not is_binary:
            words += ["--pattern", draw(st.sampled_from(sorted(PATTERNS)))]
            words += ["--classes", draw(st.sampled_from(["2", "2", "3", "3", "5", "5", "12", "1"]))]
    for option, values in (
        ("--compute", ["float64", "float64", "float32", "bfloat16"]),
        ("--summation", [order.value for order in Summation]),
        ("--loss-scale", ["0.5", "2", "16", "1e30", "nan"]),
        ("--fp8-overflow", ["nan", "saturate"]),
        ("--rtol", ["0", "1e-9", "1", "0.1", "-1"]),
        ("--against", ["sigmoid-naive"] if is_binary else ["naive", "compensated", "online:chunk=1"]),
    ):
        if draw(st.integers(0, 5)) == 0:
            words += [option, draw(st.sampled_from(values))]
    return words + draw(st.lists(st.sampled_from(["--flush-subnormals", "--hex", "--json"]), unique=True))


@pytest.mark.parametrize("part", range(PARTS))
def test_any_arguments_end_in_an_explanation_or_a_sentence(part: int) -> None:
    @seed(20240229 + part)
    @examples(EXAMPLES)
    @given(arguments())
    def explain_each(words: list[str]) -> None:
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            status = run(words)
        assert status in (0, 2), err.getvalue()
        event(f"status {status}")
        if "--json" in words:
            schema = json.loads(out.getvalue(), parse_constant=lambda name: f"{name} is no JSON")["schema"]
            assert schema == ("cestab.error/1" if status else "cestab.explain/1")
        else:
            assert bool(out.getvalue()) == (status == 0)
        assert err.getvalue().count("\n") == (1 if status else 0), err.getvalue()

    explain_each()
