"""The external losses of a request: loaded before the work, their processes ended after it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from cestab.external.engines.base import ExternalError, UnsupportedError
from cestab.external.formulation import ExternalFormulation, find_any_formulation
from cestab.external.process.client import describe_loss, end_losses, start_loss
from cestab.vocabulary.external import ExternalFacts, Guard


@contextmanager
def loaded_losses(names: Iterable[str], guard: Guard) -> Iterator[tuple[ExternalFacts, ...]]:
    """Load the external formulations among `names`, several at a time; yield what their numbers depend on.

    A name that cannot be found is a UsageError. A loss that cannot be loaded for another reason has no facts; each of its
    settings says why.
    """
    formulations = [find_any_formulation(name) for name in names]
    loss_names = [formulation.parsed for formulation in formulations if isinstance(formulation, ExternalFormulation)]
    try:
        for loss_name in loss_names:
            start_loss(loss_name, guard)
        facts = []
        for loss_name in loss_names:
            with suppress(ExternalError, UnsupportedError):
                facts.append(describe_loss(loss_name, guard))
        yield tuple(facts)
    finally:
        end_losses()
