"""Errors: the nearest name is told, or none; exit statuses are those that the documents promise."""

import pytest

from cestab.errors import ExitStatus, UsageError, unknown_name


def test_the_nearest_name_is_suggested_with_all_that_are_known() -> None:
    error = unknown_name("pattern", "margn", ["offset", "margin"])
    assert isinstance(error, UsageError)
    assert str(error) == "unknown pattern 'margn'; did you mean margin? (known: offset, margin)"


@pytest.mark.parametrize("given", ["", "xyz"])
def test_nothing_is_suggested_where_nothing_is_near(given: str) -> None:
    sentence = str(unknown_name("pattern", given, iter(["offset", "margin"])))
    assert "did you mean" not in sentence
    assert f"'{given}'" in sentence
    assert sentence.endswith("(known: offset, margin)")


def test_exit_statuses_are_a_contract() -> None:
    promised = {"DONE": 0, "GATE_FAILED": 1, "USAGE": 2, "NOT_AUDITED": 3, "INTERNAL": 70, "INTERRUPTED": 130}
    assert {status.name: status.value for status in ExitStatus} == promised


def test_of_very_many_names_the_first_twenty_and_the_nearest_are_shown() -> None:
    sentence = str(unknown_name("array", "name_77", [f"name {k}" for k in range(1000)]))
    assert "did you mean name 77?" in sentence
    assert sentence.endswith("name 18, name 19 and 980 more)")


@pytest.mark.parametrize(
    ("given", "allowed", "nearest"),
    [
        ("bce", ["naive", "bce-with-logits"], "bce-with-logits"),
        ("BCE", ["softmax-cross-entropy", "binary-cross-entropy"], "binary-cross-entropy"),
        ("cross_entropy", ["naive", "log-eps", "log-softmax"], "log-softmax"),
        ("logsumexp", ["log-softmax", "log-sum-exp"], "log-sum-exp"),
        ("mse", ["z-loss", "softmax-mean-squared-error"], "softmax-mean-squared-error"),
        ("half", ["float64", "float16"], "float16"),
        ("fp8", ["float16", "float8_e4m3fn"], "float8_e4m3fn"),
        ("half", ["float64", "bfloat16"], None),
    ],
)
def test_what_people_say_finds_the_name(given: str, allowed: list[str], nearest: str | None) -> None:
    sentence = str(unknown_name("name", given, allowed))
    assert (f"did you mean {nearest}?" in sentence) if nearest else ("did you mean" not in sentence)
