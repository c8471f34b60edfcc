"""What can go wrong for the user, and the exit statuses. Findings about a formulation are results, not errors."""

import difflib
from collections.abc import Iterable
from enum import IntEnum


class ExitStatus(IntEnum):
    """What the shell sees; the same for every output format."""

    DONE = 0
    GATE_FAILED = 1
    USAGE = 2
    NOT_AUDITED = 3
    INTERNAL = 70
    INTERRUPTED = 130


class UsageError(ValueError):
    """A mistake of the caller's, told in one sentence; exit status 2."""

    status = ExitStatus.USAGE


class NotAuditedError(UsageError):
    """A loss that is not ours raised, hung or died where it is all that was asked for; exit status 3."""

    status = ExitStatus.NOT_AUDITED


def unknown_name(what: str, given: str, allowed: Iterable[str]) -> UsageError:
    """Return the error for a name that is not in `allowed`: what was given, what is allowed, the nearest."""
    names = list(allowed)
    nearest = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    hint = f"; did you mean {nearest[0]}?" if nearest else ""
    return UsageError(f"unknown {what} '{given}'{hint} (known: {', '.join(names)})")
