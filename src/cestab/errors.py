"""What can go wrong for the user, and the exit statuses. Findings about a formulation are results, not errors."""

import difflib
import re
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import NamedTuple

MOST_NAMES = 20  # in a sentence


class ExitStatus(IntEnum):
    """What the shell sees; the same for every output format."""

    DONE = 0
    GATE_FAILED = 1
    USAGE = 2
    NOT_AUDITED = 3
    INTERNAL = 70
    INTERRUPTED = 130


class OptionName(NamedTuple):
    """An option in a sentence, by the name of Python's parameter; `value` is what a caller could give it."""

    name: str
    value: str = ""


def name_options(sentence: str) -> list[OptionName | str]:
    """Return the parts of a sentence of ours in which options are written {name} or {name=value}."""
    parts = re.split(r"\{(.*?)\}", sentence)
    return [OptionName(*part.split("=", 1)) if place % 2 else part for place, part in enumerate(parts)]


class UsageError(ValueError):
    """A mistake of the caller's, told in one sentence; exit status 2.

    The sentence is made of texts and of names of options, which each caller knows by names of his own: see `spell`.
    """

    status = ExitStatus.USAGE

    def __init__(self, *parts: str | OptionName) -> None:
        super().__init__(*parts)

    def spell(self, spell_option: Callable[[OptionName], str]) -> str:
        """Return the sentence with every option as `spell_option` writes it."""
        return "".join(spell_option(part) if isinstance(part, OptionName) else part for part in self.args)

    def __str__(self) -> str:
        return self.spell(lambda option: f"{option.name}={option.value}" if option.value else option.name)


class NotAuditedError(UsageError):
    """An external loss raised, hung or died where it is all that was asked for; exit status 3."""

    status = ExitStatus.NOT_AUDITED


ALSO_CALLED = {  # what people write for names of formulations, objectives and formats, in lower case with dashes
    "bce": ("bce-with-logits", "binary-cross-entropy"),
    "ce": ("log-softmax", "softmax-cross-entropy"),
    "cross-entropy": ("log-softmax", "softmax-cross-entropy"),
    "double": ("float64",),
    "e4m3": ("float8_e4m3fn",),
    "e5m2": ("float8_e5m2",),
    "focal": ("focal-log-softmax", "focal-loss"),
    "fp16": ("float16",),
    "fp32": ("float32",),
    "fp64": ("float64",),
    "fp8": ("float8_e4m3fn",),
    "half": ("float16",),
    "logsumexp": ("log-sum-exp",),
    "lse": ("log-sum-exp",),
    "mse": ("softmax-squared-error", "softmax-mean-squared-error"),
    "nll": ("log-softmax", "softmax-cross-entropy"),
    "single": ("float32",),
    "softmax": ("log-softmax", "softmax-cross-entropy"),
}


def list_some(names: Iterable[str]) -> str:
    """Return names with commas, of very many the first ones and a count."""
    shown = list(names)
    more = len(shown) - MOST_NAMES
    return ", ".join(shown) if more <= 0 else f"{', '.join(shown[:MOST_NAMES])} and {more} more"


def unknown_name(what: str, given: str, allowed: Iterable[str]) -> UsageError:
    """Return the error for a name that is not in `allowed`: what was given, what is allowed, the nearest."""
    names = list(allowed)
    also = ALSO_CALLED.get(given.lower().replace("_", "-"), ())
    nearest = [name for name in also if name in names] or difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    hint = f"; did you mean {nearest[0]}?" if nearest else ""
    return UsageError(f"unknown {what} '{given}'{hint} (known: {list_some(names)})")
