"""What reports for people say about external losses: a short name, what their numbers depend on, what was not judged."""

import re
from collections.abc import Sequence

from cestab.vocabulary.external import ExternalFacts
from cestab.vocabulary.phrases import show_count
from cestab.vocabulary.settings import Environment, SettingResult

MOST_CHARACTERS = 28  # of a name in a table of 80 columns with four dtypes
Line = tuple[str, str]  # a name and what the report says about it


def shorten(name: str) -> str:
    """Return the name of an external loss; a long one without the modules between adapter and function.

    A report's name in parentheses after it stays.
    """
    if len(name) <= MOST_CHARACTERS:
        return name
    if source := re.search(r" \([^()]*\)$", name):
        return shorten(name[: source.start()]) + source.group()
    head, colon, options = re.fullmatch(r"(.*?)(:(?=\w+=)|$)(.*)", name).groups()  # type: ignore[union-attr]  # any text matches
    file = re.sub(r"[^:]*/", "…", head)
    return (file if ".py:" in file else re.sub(r"[^:]*\.", "…", head)) + colon + options


def list_unjudged(results: Sequence[SettingResult]) -> list[Line]:
    """Return why settings, or a part of them, could not be judged: each formulation and reason once."""
    by_reason: dict[Line, list[SettingResult]] = {}
    for result in results:
        if result.reason is not None:
            by_reason.setdefault((result.setting.formulation, result.reason), []).append(result)
    return [(name, f"{reason}; {_describe(group)}") for (name, reason), group in by_reason.items()]


def _describe(results: Sequence[SettingResult]) -> str:
    dtypes = ", ".join(dict.fromkeys(result.setting.dtype for result in results))
    count = show_count(len(results), "setting")
    verdict = results[0].verdict
    return f"{count if verdict.is_judged else f'{verdict} in {count}'} ({dtypes})"


def list_external(environment: Environment) -> list[Line]:
    """Return what the numbers of each external loss depend on."""
    return [(facts.formulation, ", ".join(_describe_target(facts))) for facts in environment.targets]


def _describe_target(facts: ExternalFacts) -> list[str]:
    words = [f"{package} {version}" for package, version in facts.versions]
    words += [facts.device, facts.mode, f"gradient: {facts.gradient}"]
    words += [] if facts.threads is None else [show_count(facts.threads, "thread")]
    words += ["flushes subnormals"] if facts.flushes_subnormals else []
    return words + ([f"called with {', '.join(facts.passed)}"] if facts.passed else [])
