"""Advice with trials: the family's sound formulations on the same cases, and what would cure those that fail.

A cure is sums in wider arithmetic, or computing in float32, with the code that does so.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from cestab.commands.sweep.advice import is_contrast, lacking_dtypes, recommend
from cestab.commands.sweep.answer import Recommendation
from cestab.evaluation.plan import group_by_options
from cestab.external.conventions import Order, find_convention
from cestab.external.formulation import ExternalFormulation, find_any_formulation
from cestab.formulations import FORMULATIONS
from cestab.numerics.formats import find_format
from cestab.vocabulary.kinds import Summation, Verdict
from cestab.vocabulary.requests import Arithmetics, AuditRequest, SweepRequest
from cestab.vocabulary.settings import SettingResult

Evaluate = Callable[[Arithmetics, tuple[str, ...]], Sequence[SettingResult]]
MOST_TRIED = 3  # formulations of one's own: a cure costs as much as the request
WIDER = {  # an argument called `logits` in float32, by adapter
    "torch": "logits.float()",
    "jax": "logits.astype(jnp.float32)",
    "keras": 'keras.ops.cast(logits, "float32")',
    "tensorflow": "tf.cast(logits, tf.float32)",
    "python": "logits.astype(np.float32)",
}
CALLS = {  # of what a library has of a formulation, by adapter
    "log-softmax": {
        "torch": "torch.nn.functional.cross_entropy(logits, target)",
        "jax": "optax.softmax_cross_entropy_with_integer_labels(logits, target)",
        "keras": "keras.losses.SparseCategoricalCrossentropy(from_logits=True)(target, logits)",
        "tensorflow": "tf.nn.sparse_softmax_cross_entropy_with_logits(target, logits)",
    },
    "bce-with-logits": {
        "torch": "torch.nn.functional.binary_cross_entropy_with_logits(logits, target)",
        "jax": "optax.sigmoid_binary_cross_entropy(logits, target)",
        "keras": "keras.losses.BinaryCrossentropy(from_logits=True)(target, logits)",
        "tensorflow": "tf.nn.sigmoid_cross_entropy_with_logits(target, logits)",
    },
}


def advise(
    request: SweepRequest | AuditRequest, results: Sequence[SettingResult], evaluate: Evaluate
) -> tuple[Recommendation, ...]:
    """Return what to use in each dtype; in those in which nothing asked for is without a failure, other things are tried.

    `evaluate` returns the results of the request's cases in other arithmetics, through other formulations. After Ctrl-C
    nothing more is tried.
    """
    dtypes = lacking_dtypes(results)
    along: Sequence[SettingResult] = ()
    cures: dict[str, str] = {}
    with suppress(KeyboardInterrupt):
        names = _list_sound(request) if dtypes else ()
        if names:
            along = evaluate(replace(request.arithmetics, dtypes=tuple(dtypes)), names)
        cures = dict(_find_cures([r for r in results if r.setting.dtype in dtypes], request.arithmetics, evaluate))
    return tuple(_complete(advice, request.formulations, cures) for advice in recommend(results, along))


def _complete(advice: Recommendation, asked: Sequence[str], cures: Mapping[str, str]) -> Recommendation:
    """Add to an advice that the only one asked for is to be kept, the code of another one, and what cures those that fail."""
    call = "" if advice.formulation in asked else _show_call(advice.formulation or "", asked)
    cure = cures.get(advice.dtype, "")
    start = "keep it: " if {*asked} == {advice.formulation} else ""
    why = f"{start}{advice.why}{f': {call}' if call else ''}{f'; or {cure}' if cure else ''}"
    return replace(advice, why=why, cure=cure or None)


def _list_sound(request: SweepRequest | AuditRequest) -> tuple[str, ...]:
    """Return the sound formulations of the request's family with its options, those that were not asked for."""
    options = group_by_options(request.formulations)
    if len(options) > 1:
        return ()
    family = (f for f in FORMULATIONS.values() if f.objective == request.objective and not f.is_contrast)
    same = [f.with_options(next(iter(options))) for f in family]
    return tuple(f.name for f in same if f is not None and f.name not in request.formulations)


def _find_cures(results: Sequence[SettingResult], arithmetics: Arithmetics, evaluate: Evaluate) -> Iterator[tuple[str, str]]:
    """Yield (dtype, the change that leaves no failure, and the code for it) for formulations that are not for contrast."""
    names = [name for name in dict.fromkeys(r.setting.formulation for r in results) if not is_contrast(name)]
    for dtype in dict.fromkeys(r.setting.dtype for r in results):
        failing = tuple(
            name
            for name in names[:MOST_TRIED]
            if any(r.verdict is Verdict.FAIL and (r.setting.formulation, r.setting.dtype) == (name, dtype) for r in results)
        )
        for change, changed in _list_changes(arithmetics, dtype):
            cured = _list_cured(evaluate(changed, failing), failing) if failing else []
            if cured:
                yield dtype, f"{', '.join(cured)} with {change}{_show_wider(cured, change)}"
                break


def _show_call(name: str, asked: Sequence[str]) -> str:
    """Return how a formulation is called with the library of the first external loss asked for; empty if unknown."""
    adapter = next((a for other in asked if (a := _find_adapter(other)) is not None), None)
    return CALLS.get(name, {}).get(adapter or "", "")


def _list_changes(arithmetics: Arithmetics, dtype: str) -> Iterator[tuple[str, Arithmetics]]:
    own = replace(arithmetics, dtypes=(dtype,))
    if arithmetics.summations != (Summation.WIDE,):
        yield "--summation wide", replace(own, summations=(Summation.WIDE,))
    if arithmetics.compute is None and find_format(dtype).bits < 32:
        yield "--compute float32", replace(own, compute="float32")


def _list_cured(results: Sequence[SettingResult], names: Sequence[str]) -> list[str]:
    verdicts: Mapping[str, list[Verdict]] = {
        name: [r.verdict for r in results if r.setting.formulation == name] for name in names
    }
    return [name for name, own in verdicts.items() if own and all(v in (Verdict.PASS, Verdict.WARN) for v in own)]


def _show_wider(names: Sequence[str], change: str) -> str:
    """Return the call in float32 of the first external loss among names."""
    external = [f.parsed for name in names if isinstance(f := find_any_formulation(name), ExternalFormulation)]
    if change != "--compute float32" or not external:
        return ""
    loss = external[0]
    arguments = [WIDER[loss.adapter], "target"]
    if find_convention(loss).order is Order.TARGET_FIRST:
        arguments.reverse()
    return f": {loss.last if loss.file else loss.path}({', '.join(arguments)})"


def _find_adapter(name: str) -> str | None:
    if name.partition(":")[0] in FORMULATIONS:
        return None
    formulation = find_any_formulation(name)
    return formulation.parsed.adapter if isinstance(formulation, ExternalFormulation) else None
