"""Requests: what is refused before any work."""

import pytest

from cestab.commands.audit.request import make_audit_request
from cestab.commands.explain.request import make_explain_request
from cestab.commands.resolve import find_objective
from cestab.commands.sweep.request import make_sweep_request
from cestab.errors import UsageError

FOCAL = "keras:keras.losses.CategoricalFocalCrossentropy:alpha=1.0"
TORCH = "torch:torch.nn.functional"


@pytest.mark.parametrize(
    ("option", "name", "objective", "rest"),
    [
        ("z_weight", "losses.py:focal:gamma=2,z_weight=0.1", None, "focal-loss, but of z-loss"),
        ("z_weight", f"{TORCH}.binary_cross_entropy_with_logits:z_weight=0.1", None, "binary-cross-entropy, but of z-loss"),
        (
            *("label_smoothing", "losses.py:f:label_smoothing=0.1", "focal-loss"),
            "focal-loss, but of softmax-cross-entropy, binary-cross-entropy, z-loss",
        ),
        (
            *("label_smoothing", f"{FOCAL},label_smoothing=0.1", None),
            "focal-loss, but of softmax-cross-entropy, binary-cross-entropy, z-loss",
        ),
        ("z_weight", f"{TORCH}.cross_entropy:weight=1:2,z_weight=0.5", None, "softmax-cross-entropy, but of z-loss"),
        (
            *("class_weights", f"{TORCH}.mse_loss:input=softmax,weight=1:2", None),
            "softmax-mean-squared-error, but of softmax-cross-entropy, binary-cross-entropy",
        ),
    ],
)
def test_an_option_that_the_objective_does_not_have_is_refused(
    option: str, name: str, objective: str | None, rest: str
) -> None:
    with pytest.raises(UsageError) as caught:
        find_objective([name], objective)
    assert str(caught.value) == f"{option} of '{name}' is no option of {rest}"


def test_one_logit_has_one_weight() -> None:
    name = f"{TORCH}.binary_cross_entropy_with_logits:weight="
    assert find_objective([f"{name}3"], None).is_binary
    with pytest.raises(UsageError, match=r"has 2 class weights, but binary-cross-entropy has one logit and so one weight$"):
        find_objective([f"{name}1:3"], None)
    with pytest.raises(UsageError, match="has 3 class weights"):
        find_objective(["losses.py:bce:weight=1:2:3"], "binary-cross-entropy")


@pytest.mark.parametrize(
    ("name", "objective"),
    [
        ("losses.py:zce:z_weight=0.1,label_smoothing=0.1", "z-loss"),
        (f"{TORCH}.cross_entropy:weight=1:2,label_smoothing=0.1,ignore_index=0", "softmax-cross-entropy"),
        ("losses.py:zce:z_weight=0.1", None),
        ("losses.py:f:input=softmax,z_weight=0", None),
        (f"{FOCAL},gamma=3", None),
    ],
)
def test_an_option_that_the_objective_has_is_taken(name: str, objective: str | None) -> None:
    assert find_objective([name], objective) is not None


def test_every_request_refuses_it() -> None:
    name = "losses.py:focal:gamma=2,z_weight=0.1"
    with pytest.raises(UsageError, match="is no option of"):
        make_sweep_request(["focal-naive", name])
    with pytest.raises(UsageError, match="is no option of"):
        make_audit_request("a.npz", formulations=name)
    with pytest.raises(UsageError, match="is no option of"):
        make_explain_request(name, at=1.0)
    with pytest.raises(UsageError, match="is no option of"):
        make_explain_request("focal-naive", at=1.0, against=name)


@pytest.mark.parametrize(("objective", "hint"), [("focal-loss", "gamma=2"), ("z-loss", "z_weight=1e-4")])
def test_a_loss_that_is_not_ours_tells_what_its_objective_needs(objective: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"'losses.py:f' does not tell the .* of {objective}, e.g. losses.py:f:{hint}"):
        find_objective(["losses.py:f"], objective)
    assert find_objective([f"losses.py:f:{hint}"], None).name == objective
    with pytest.raises(UsageError, match=r"'losses\.py:g' does not tell"):
        find_objective([f"losses.py:f:{hint}", "losses.py:g"], None)
    assert find_objective(["keras:keras.losses.CategoricalFocalCrossentropy:alpha=1.0"], None).name == "focal-loss"


def test_the_input_of_a_loss_suggests_its_objective_and_the_request_decides() -> None:
    of_softmax, of_sigmoid = "torch:own.py:f:input=softmax", "torch:own.py:f:input=sigmoid"
    assert find_objective([of_softmax], None).name == "softmax-cross-entropy"
    assert find_objective([of_sigmoid], None).name == "binary-cross-entropy"
    assert find_objective([of_softmax], "softmax-mean-squared-error").name == "softmax-mean-squared-error"
    assert find_objective([of_sigmoid], "sigmoid-mean-squared-error").name == "sigmoid-mean-squared-error"
    assert find_objective([of_softmax, "softmax-squared-error"], None).name == "softmax-mean-squared-error"
    for names, objective in (
        ([of_sigmoid, "naive"], None),
        ([of_softmax, of_sigmoid], None),
        ([of_softmax], "binary-cross-entropy"),
    ):
        with pytest.raises(UsageError, match="audit them separately"):
            find_objective(names, objective)
