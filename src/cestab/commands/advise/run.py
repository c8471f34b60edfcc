"""Run a request of advise: the statements of every dtype, each measured by sweeps."""

from collections.abc import Callable
from typing import Any

from cestab.commands.advise.answer import Advice, Statement
from cestab.commands.advise.measure import Bench
from cestab.commands.advise.statements import advise_dtype
from cestab.evaluation.calls import CallCounter
from cestab.evaluation.environment import describe_environment, ignore_progress, ignore_sentence, version
from cestab.evaluation.memory import refuse_classes
from cestab.external.loaded import loaded_losses
from cestab.vocabulary.requests import AdviseRequest


def run_advise(
    request: AdviseRequest,
    *,
    progress: Callable[[int, int], Any] = ignore_progress,
    announce: Callable[[str], Any] = ignore_sentence,
) -> Advice:
    """Return the advice; `progress` is called after each dtype, `announce` before long work.

    After Ctrl-C it holds the statements that were finished; before the first, Ctrl-C propagates.
    """
    refuse_classes(request.classes)
    statements: list[Statement] = []
    is_interrupted = False
    dtypes = request.arithmetics.dtypes
    with loaded_losses(request.formulations, request.guard) as targets:
        spare = CallCounter(plans=[], announce=announce).spare
        try:
            for done, dtype in enumerate(dtypes, start=1):
                statements.extend(advise_dtype(Bench(request=request, dtype=dtype, spare=spare)))
                progress(done, len(dtypes))
        except KeyboardInterrupt:
            if not statements:
                raise
            is_interrupted = True
    return Advice(
        version=version(),
        environment=describe_environment(targets),
        request=request,
        statements=tuple(statements),
        is_interrupted=is_interrupted,
    )
