"""Losses that are called once per case: their settings are sampled, and how many calls that takes is said before."""

from pathlib import Path

import pytest

from cestab.commands.sweep.request import make_sweep_request
from cestab.evaluation import calls
from cestab.evaluation.calls import CallCounter
from cestab.evaluation.plan import plan_sweep
from cestab.external.loaded import loaded_losses
from cestab.vocabulary.kinds import Coverage

LOSSES = """
import numpy as np
def rows(z, y):
    m = z.max(axis=1, keepdims=True)
    return (np.log(np.exp(z - m).sum(axis=1)) + m[:, 0]) - z[np.arange(len(z)), y]
def mean(z, y):
    return rows(z, y).mean()
"""


@pytest.mark.parametrize(
    ("name", "batch", "why"),
    [
        ("rows", 1, None),
        ("rows", 4, "is called once for each case, each a batch of 4 rows: {} calls"),
        ("mean", 1, "is called once for each case, as it returns one number for many rows: {} calls"),
    ],
)
def test_what_is_called_once_per_case_is_sampled_and_counted(tmp_path: Path, name: str, batch: int, why: str | None) -> None:
    (tmp_path / "losses.py").write_text(LOSSES)
    loss = f"{tmp_path}/losses.py:{name}"
    request = make_sweep_request(
        ("log-sum-exp", loss), dtypes=("float16", "bfloat16"), classes=2, patterns="margin", targets="correct", batch=batch
    )
    said: list[str] = []
    with loaded_losses(request.formulations, request.guard):
        planned = plan_sweep(request)
        plans = [*map(CallCounter(plans=planned, announce=said.append).spare, planned)]
    assert {plan.coverage for plan in plans} == {Coverage.SAMPLED if why else Coverage.EXHAUSTIVE}
    count = sum(plan.sampled.size for plan in plans)
    assert len(said) == (why is not None)
    assert all(sentence.startswith(f"{loss} {(why or '').format(count)} and those that boundaries take") for sentence in said)


@pytest.mark.parametrize("names", [("naive", "{}"), ("naive", "compensated")])
def test_an_interruption_ends_the_calls_of_a_loss_and_is_never_lost(
    tmp_path: Path, names: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a call of a loss it keeps the formulations before that one; anywhere else it goes on to whoever ends the work."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "losses.py").write_text(LOSSES)
    formulations = tuple(name.format(f"{tmp_path}/losses.py:rows") for name in names)
    request = make_sweep_request(formulations, dtypes="float16", classes=2, patterns="margin", targets="correct")
    with loaded_losses(request.formulations, request.guard):
        (plan,) = plan_sweep(request)
        counter = CallCounter(plans=[plan], announce=lambda _: None)
        if names[1] == "{}":
            monkeypatch.setattr(calls, "refuse_other_objective", interrupt)
            assert counter.spare(plan).formulations == ("naive",)
        else:
            monkeypatch.setattr(calls, "find_any_formulation", interrupt)
            with pytest.raises(KeyboardInterrupt):
                counter.spare(plan)
