"""Marks: what a step of a strip, or a cell of a heat map, shows of the findings in it."""

from collections.abc import Iterable
from enum import Enum

from cestab.vocabulary.kinds import FindingKind


class Mark(Enum):
    """What a step shows, the worst first: its letter, its words, its style, and how the labels of its kinds begin."""

    NAN = ("N", "NaN", "bold red reverse", ("nan",))
    INF = ("I", "inf", "red reverse", ("inf",))
    ZERO = ("0", "gradient 0", "magenta reverse", ("vanishing",))
    OFF = ("W", "off by > 10%", "red", ("wrong",))
    DIGITS = ("d", "digits lost", "yellow", ("inaccurate", "negative"))
    ZEROED = ("z", "small values lost", "yellow", ("zeroed",))
    BEYOND = ("b", "beyond the format", "blue", ("overflowing", "underflowing"))
    FINE = ("·", "nothing found", "green", ())
    OUTSIDE = (" ", "outside of the range", "", ())

    def __init__(self, letter: str, words: str, style: str, beginnings: tuple[str, ...]) -> None:
        self.letter = letter
        self.words = words
        self.style = style
        self.beginnings = beginnings

    @classmethod
    def of(cls, kind: FindingKind) -> "Mark":
        """Return the mark of a kind of finding."""
        return next(mark for mark in cls if mark.beginnings and kind.label.startswith(mark.beginnings))

    @classmethod
    def worst(cls, kinds: Iterable[FindingKind]) -> "Mark":
        """Return the mark of the worst of some kinds; FINE where there are none."""
        return min((cls.of(kind) for kind in kinds), key=list(cls).index, default=cls.FINE)
