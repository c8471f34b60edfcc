"""What Ctrl-C leaves of a group of settings: formulations that were evaluated on every block, or failed."""

from collections.abc import Sequence

import pytest

from cestab.commands.sweep.request import make_sweep_request
from cestab.commands.sweep.run import evaluate_plan
from cestab.evaluation.blocks import Block, Failure, Outcome, evaluate_each
from cestab.evaluation.plan import Plan, plan_sweep
from cestab.judgement.summary import Summary
from cestab.vocabulary.kinds import Verdict

NAMES = ("naive", "clipped", "online")


def plan(classes: int) -> Plan:
    request = make_sweep_request(
        NAMES, dtypes="float16", patterns="margin", classes=classes, targets="wrong", logits="-9:9:4999"
    )
    return plan_sweep(request)[0]


def test_names_before_an_interrupt_are_kept() -> None:
    def evaluate(name: str) -> int:
        if name == "clipped":
            raise KeyboardInterrupt
        return len(name)

    assert evaluate_each(NAMES, evaluate) == {"naive": 5}
    assert evaluate_each(NAMES, len) == {"naive": 5, "clipped": 7, "online": 6}


@pytest.mark.parametrize(
    ("finished", "kept"),
    [
        ([3, 3, 3], {"naive", "clipped", "online"}),
        ([3, 3, 2], {"naive", "clipped"}),  # in the last block
        ([3, 1], set()),  # what is not known of every float is not printed
        ([0], set()),
    ],
)
def test_of_several_blocks_only_the_last_may_be_interrupted(finished: Sequence[int], kept: set[str]) -> None:
    plans = plan(100)
    blocks = list(plans.blocks())
    assert len(blocks) >= 3
    counts = iter([3] * (len(blocks) - len(finished)) + list(finished) if len(finished) == 3 else finished)

    def evaluate(block: Block) -> dict[str, Outcome]:
        return {name: Summary(cases=len(block.ordinals)) for name in block.formulations[: next(counts)]}

    outcomes = evaluate_plan(plans, evaluate)
    assert set(outcomes) == kept
    whole = sum(len(block.ordinals) for block in blocks)
    assert all(isinstance(own, Summary) and own.cases == whole for own in outcomes.values())


def test_what_failed_before_an_interrupt_is_kept_and_not_tried_again() -> None:
    asked = []

    def evaluate(block: Block) -> dict[str, Outcome]:
        asked.append(block.formulations)
        if len(asked) == 2:
            return {}
        return {
            name: Failure(verdict=Verdict.ERROR, reason="it raised") if name == "clipped" else Summary()
            for name in block.formulations
        }

    assert evaluate_plan(plan(100), evaluate) == {"clipped": Failure(verdict=Verdict.ERROR, reason="it raised")}
    assert asked == [NAMES, ("naive", "online")]
