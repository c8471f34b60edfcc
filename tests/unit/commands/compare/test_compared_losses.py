"""Comparisons in which code that is not ours fails, or returns no gradient."""

import json
from pathlib import Path

import cestab
from cestab.errors import ExitStatus

DATA = Path(__file__).parents[3] / "data" / "targets.py"


def path_to(function: str) -> str:
    return f"{DATA}:{function}"


def compare(*names: str) -> cestab.Comparison:
    reference, *others = names
    return cestab.compare(
        reference,
        *others,
        dtypes=["float16", "float32"],
        patterns=["margin"],
        classes=[2],
        targets=["wrong"],
        logits="-99:99:17",
    )


def test_a_sound_loss_agrees_with_the_same_recipe_bit_by_bit() -> None:
    for setting in compare("log-softmax", path_to("stable")).settings:
        assert setting.loss is not None
        assert setting.gradient is not None
        assert setting.loss.equal == setting.loss.cases > 0
        assert setting.gradient.equal == setting.gradient.cases > 0
        assert (setting.worse, setting.better) == ((), ())


def test_a_reference_or_another_that_fails_leaves_the_rest_compared() -> None:
    for names in ((path_to("only_single"), "log-softmax"), ("log-softmax", path_to("only_single"))):
        comparison = compare(*names)
        compared = {setting.other.setting.dtype: setting.loss is not None for setting in comparison.settings}
        assert compared == {"float16": False, "float32": True}
        assert comparison.exit_status() is ExitStatus.NOT_AUDITED
        json.loads(comparison.to_json())


def test_what_could_not_be_evaluated_is_not_compared() -> None:
    """Log-softmax warns in the setting: not what a loss that raises would remove."""
    for names in (("log-softmax", path_to("raises")), (path_to("raises"), "log-softmax")):
        comparison = compare(*names)
        for setting in comparison.settings:
            assert (setting.only_reference, setting.only_other, setting.boundaries) == ((), (), ())
        sentences = [f"{d.dtype}: {names[1]} could not be compared with {names[0]}: " for d in comparison.dtypes]
        assert [d.relation for d in comparison.dtypes] == [None, None]
        assert all(
            d.sentence.startswith(s) and "it raised" in d.sentence for d, s in zip(comparison.dtypes, sentences, strict=True)
        )
        report = json.loads(comparison.to_json())
        assert [dtype["relation"] for dtype in report["dtypes"]] == [None, None]
        assert report["summary"] == {
            **dict.fromkeys(("dominates", "dominated", "trades", "matches"), 0),
            "not_compared": 2,
            "settings": 2,
            "worse": 2 if names[0] == "log-softmax" else 0,
        }
        assert comparison.exit_status() is ExitStatus.NOT_AUDITED


def test_a_loss_without_a_gradient_is_compared_for_the_loss_alone() -> None:
    """Naive's gradient is NaN from 11 and 89 on: not what a loss without any gradient is better in."""
    comparison = compare("log-softmax", path_to("loss_only"))
    for setting in comparison.settings:
        assert setting.loss is not None
        assert setting.loss.equal == setting.loss.cases > 0
        assert setting.gradient is None
        assert (setting.worse, setting.better, setting.only_reference, setting.only_other) == ((), (), (), ())
    assert json.loads(comparison.to_json())["settings"][0]["gradient"] is None
    assert all("kinds of findings of the loss in" in dtype.sentence for dtype in comparison.dtypes)
    for names in (("naive", path_to("loss_only")), (path_to("loss_only"), "naive")):
        for setting in compare(*names).settings:
            harms = setting.better if names[0] == "naive" else setting.worse
            assert harms
            kinds = [*setting.only_reference, *setting.only_other]
            assert all(finding.kind.is_loss for finding in kinds)
            assert not any("gradient" in harm for harm in harms)
