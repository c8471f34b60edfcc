"""Numbers with their nouns, and lists, in the words of every report."""

from collections.abc import Sequence


def show_count(number: int, noun: str) -> str:
    """Return e.g. `1 setting`, `2 settings`, `1,156 cases`."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def show_classes(classes: int) -> str:
    """Return e.g. `1 class`, `1000 classes`: the number as it is given to --classes."""
    return f"{classes} {'class' if classes == 1 else 'classes'}"


def show_list(words: Sequence[str]) -> str:
    """Return e.g. `a`, `a and b`, `a, b and c`."""
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def show_magnitude(t: float) -> str:
    """Return |t| as the shortest decimal that reads back."""
    return repr(abs(t)).removesuffix(".0")


def show_duration(seconds: float) -> str:
    """Return e.g. `20 s`, `4 min` or `2.5 h`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
