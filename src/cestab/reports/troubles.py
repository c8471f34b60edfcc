"""What goes wrong, in the few words of a table: columns of troubles, where each begins, and a verdict in words."""

from collections.abc import Iterable, Sequence
from enum import Enum

from cestab.vocabulary.kinds import FindingKind, Severity, Verdict
from cestab.vocabulary.settings import Finding, SettingResult


class Trouble(Enum):
    """A column: its head, its longer name, its style, and how the labels of its kinds begin."""

    NAN = ("NaN", "NaN", "bold red", ("nan",))
    INF = ("inf", "inf", "red", ("inf",))
    ZERO = ("g = 0", "gradient 0", "magenta", ("vanishing",))
    OFF = ("> 10%", "off by > 10%", "red", ("wrong",))
    DIGITS = ("digits", "digits lost", "yellow", ("inaccurate", "zeroed", "negative"))
    BEYOND = ("beyond", "beyond the format", "blue", ("overflowing", "underflowing"))

    def __init__(self, head: str, title: str, style: str, beginnings: tuple[str, ...]) -> None:
        self.head = head
        self.title = title
        self.style = style
        self.beginnings = beginnings

    @classmethod
    def of(cls, kind: FindingKind) -> "Trouble":
        """Return the trouble that a kind of finding is."""
        return next(trouble for trouble in cls if kind.label.startswith(trouble.beginnings))


class Answer(Enum):
    """A verdict in words, the worst first: NaN or inf; gradient 0, or off; lost digits; zeros; the format's end; nothing."""

    BREAKS = ("breaks", "bold red")
    BREAKS_SILENTLY = ("breaks silently", "red")
    LOSES_DIGITS = ("loses digits", "yellow")
    SMALL_VALUES = ("small values lost", "yellow")
    BEYOND = ("sound to the format's end", "yellow")
    SOUND = ("sound", "green")

    def __init__(self, words: str, style: str) -> None:
        self.words = words
        self.style = style


def show_answer(answer: Answer | Verdict | None) -> tuple[str, str]:
    """Return the words and the style of a verdict in words, or of what is none."""
    return (answer.words, answer.style) if isinstance(answer, Answer) else (str(answer or ""), "magenta")


def judge_in_words(results: Iterable[SettingResult]) -> Answer | Verdict:
    """Return what a person is to think of results; a verdict where none of them was judged, or some crashed."""
    judged = [result for result in results if result.verdict.is_judged]
    others = [result.verdict for result in results if not result.verdict.is_judged]
    if others and (not judged or any(verdict.is_unaudited for verdict in others)):
        return next((verdict for verdict in others if verdict.is_unaudited), others[0])
    kinds = {finding.kind for result in judged for finding in result.findings}
    troubles = {Trouble.of(kind) for kind in kinds}
    if any(kind.severity is Severity.FAIL for kind in kinds):
        return Answer.BREAKS if troubles & {Trouble.NAN, Trouble.INF} else Answer.BREAKS_SILENTLY
    if Trouble.DIGITS in troubles:
        only_zeros = all(kind.label.startswith("zeroed") for kind in kinds if Trouble.of(kind) is Trouble.DIGITS)
        return Answer.SMALL_VALUES if only_zeros else Answer.LOSES_DIGITS
    return Answer.BEYOND if troubles else Answer.SOUND


def find_first(results: Iterable[SettingResult], trouble: Trouble) -> Finding | None:
    """Return the finding of a trouble that begins at the smallest |t|."""
    findings = [f for result in results for f in result.findings if Trouble.of(f.kind) is trouble]
    return min(findings, key=lambda finding: abs(finding.first.value), default=None)


def show_onset(finding: Finding) -> str:
    """Return the |t| where a finding begins, or at most begins, to three digits; the report in JSON has them all."""
    return f"{'≤' if finding.is_at_most else ''}{show_short(abs(finding.first.value))}"


def show_short(number: float) -> str:
    """Return a number from 0 on in at most six characters: three digits, or one and a power of ten."""
    if number == 0 or 0.01 <= number < 999.5:
        return f"{number:.3g}"
    if 0.01 <= number < 99999.5:
        return f"{number:.0f}"
    digit, _, power = f"{number:.0e}".partition("e")
    return f"{digit}e{int(power)}"


def list_troubles(results: Sequence[SettingResult]) -> list[Trouble]:
    """Return the columns that a table of results has: what is beyond the format only where it was seen."""
    seen = {Trouble.of(finding.kind) for result in results for finding in result.findings}
    return [trouble for trouble in Trouble if trouble is not Trouble.BEYOND or trouble in seen]
