"""Numbers with their nouns, and lists, in the words of every report."""

from collections.abc import Sequence


def show_count(number: int, noun: str) -> str:
    """Return e.g. `1 setting`, `2 settings`, `1,156 cases`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def show_classes(classes: int) -> str:
    """Return e.g. `1 class`, `1000 classes`: the number as it is given to --classes."""
    return f"{classes} {'class' if classes == 1 else 'classes'}"


def show_list(words: Sequence[str]) -> str:
    """Return e.g. `a`, `a and b`, `a, b and c`."""
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def show_magnitude(t: float) -> str:
    """Return |t| as the shortest decimal that reads back."""
    return repr(abs(t)).removesuffix(".0")
