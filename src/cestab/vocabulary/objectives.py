"""The objectives: each a loss as a real function, a record in the registry, and a word on the command line and in reports.

Its exact value is in truth/objectives, its formulations are in formulations.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Objective:
    """A loss as a real function.

    `is_binary`: it has one logit and a label in [0, 1] instead of classes. `option_names` are the fields of LossOptions that
    it has beside those of the batch; without a value for the one in `needed` (with an example) it would be another objective.
    """

    name: str
    is_binary: bool = False
    option_names: tuple[str, ...] = ()
    needed: tuple[str, str] | None = None

    def __str__(self) -> str:
        return self.name


OBJECTIVES: dict[str, Objective] = {}


def add_objective(objective: Objective) -> Objective:
    """Put an objective into the registry."""
    assert objective.name not in OBJECTIVES, "the name is taken"
    OBJECTIVES[objective.name] = objective
    return objective


SOFTMAX_CROSS_ENTROPY = add_objective(
    Objective(name="softmax-cross-entropy", option_names=("label_smoothing", "class_weights", "ignore_index"))
)
BINARY_CROSS_ENTROPY = add_objective(
    Objective(name="binary-cross-entropy", is_binary=True, option_names=("label_smoothing", "class_weights"))
)
FOCAL_LOSS = add_objective(Objective(name="focal-loss", option_names=("gamma", "ignore_index"), needed=("gamma", "2")))
Z_LOSS = add_objective(
    Objective(name="z-loss", option_names=("z_weight", "label_smoothing", "ignore_index"), needed=("z_weight", "1e-4"))
)
SOFTMAX_MEAN_SQUARED_ERROR = add_objective(Objective(name="softmax-mean-squared-error", option_names=("ignore_index",)))
SIGMOID_MEAN_SQUARED_ERROR = add_objective(Objective(name="sigmoid-mean-squared-error", is_binary=True))
DEFAULT_OBJECTIVE = SOFTMAX_CROSS_ENTROPY
