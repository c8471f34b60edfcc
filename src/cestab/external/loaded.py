"""The external losses of a request: loaded before the work, their processes ended after it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from cestab.external.engines.base import TargetError, UnsupportedError
from cestab.external.formulation import ExternalFormulation, find_any_formulation
from cestab.external.process.client import describe_target, end_targets, start_target
from cestab.vocabulary.external import Guard, TargetFacts


@contextmanager
def loaded_targets(names: Iterable[str], guard: Guard) -> Iterator[tuple[TargetFacts, ...]]:
    """Load the external formulations among `names`, several at a time; yield what their numbers depend on.

    A name that cannot be found is a UsageError. A loss that cannot be loaded for another reason has no facts; each of its
    settings says why.
    """
    formulations = [find_any_formulation(name) for name in names]
    loss_names = [formulation.target for formulation in formulations if isinstance(formulation, ExternalFormulation)]
    try:
        for loss_name in loss_names:
            start_target(loss_name, guard)
        facts = []
        for loss_name in loss_names:
            with suppress(TargetError, UnsupportedError):
                facts.append(describe_target(loss_name, guard))
        yield tuple(facts)
    finally:
        end_targets()
