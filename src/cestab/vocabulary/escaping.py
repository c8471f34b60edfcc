"""Characters that a reader must not be fooled by, or a terminal act on, are shown as escapes: one rule for every form."""

import re

UNUSUAL = re.compile(r"[^\n -~]")  # all but ASCII's signs: only these are looked at one by one
COLOURS = re.compile(r"\x1b\[[0-9;]*m")  # what rich writes to a terminal between texts that are escaped already
LONGEST_SENTENCE = 500  # characters that are shown of one


def escape(text: str) -> str:
    r"""Return text without control, bidirectional or invisible characters and lone surrogates, but for line ends.

    They are shown as in JSON, e.g. `\u001b`; those beyond U+FFFF as `\U000e0001`.

    >>> escape("loss\x1b[2J\u202e.py\udcff")
    'loss\\u001b[2J\\u202e.py\\udcff'
    """
    return UNUSUAL.sub(_show, text)


def _show(match: re.Match[str]) -> str:
    letter, code = match[0], ord(match[0])
    if letter.isprintable():
        return letter
    return f"\\u{code:04x}" if code < 2**16 else f"\\U{code:08x}"


def escape_coloured(text: str) -> str:
    """The same for the text of a terminal, in which colours stay."""
    if "\x1b" not in text:
        return escape(text)
    parts, colours = COLOURS.split(text), COLOURS.findall(text)
    return "".join(escape(part) + colour for part, colour in zip(parts, [*colours, ""], strict=True))


def escape_json(text: str) -> str:
    """The same in a JSON document, whose strings read back as they were, but for lone surrogates."""
    return UNUSUAL.sub(_show_in_json, text)


def _show_in_json(match: re.Match[str]) -> str:
    letter, code = match[0], ord(match[0])
    if letter.isprintable():
        return letter
    if 0xD800 <= code < 0xE000:
        return f"\\\\u{code:04x}"
    units = letter.encode("utf-16-be")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))


def shorten_sentence(sentence: str) -> str:
    """Return a sentence without the middle of one that is too long to read."""
    half = LONGEST_SENTENCE // 2 - 1
    return sentence if len(sentence) <= LONGEST_SENTENCE else f"{sentence[:half]}…{sentence[-half:]}"
