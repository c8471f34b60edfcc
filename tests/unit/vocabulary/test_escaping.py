"""Escapes: what a reader must not be fooled by is shown, everything else stays."""

import json
import unicodedata

import pytest

from cestab.reports.rows import escape_markdown, to_csv
from cestab.vocabulary.escaping import LONGEST_SENTENCE, escape, escape_coloured, escape_json, shorten_sentence

EVERY = [chr(code) for code in range(0x110000)]


def test_no_control_bidirectional_or_invisible_character_and_no_surrogate_is_left() -> None:
    """By Unicode's own categories: Cc, Cf, Cs, Co, Cn, Zl, Zp."""
    for letter in EVERY:
        shown = escape(letter)
        is_hidden = unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} and letter != "\n"
        assert (shown == letter) is not is_hidden or unicodedata.category(letter) == "Zs"
        assert shown.isprintable() or shown == "\n"


def test_json_reads_back_as_it_was_but_for_lone_surrogates() -> None:
    text = "".join(letter for letter in EVERY if unicodedata.category(letter) != "Cs")
    document = escape_json(json.dumps(text, ensure_ascii=False))
    assert json.loads(document) == text
    assert document.isprintable()
    for code in (0xD800, 0xDCFF, 0xDFFF):
        assert json.loads(escape_json(json.dumps(f"a{chr(code)}b", ensure_ascii=False))) == f"a\\u{code:04x}b"


def test_colours_stay_and_other_commands_of_a_terminal_do_not() -> None:
    assert escape_coloured("\x1b[1;31mfail\x1b[0m \x1b[2J\x1b]0;title\x07") == (
        "\x1b[1;31mfail\x1b[0m \\u001b[2J\\u001b]0;title\\u0007"
    )


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "-x", "-0x1.8p+3+1"])
def test_a_cell_is_no_formula(text: str) -> None:
    assert to_csv(["a"], [[text]]).splitlines()[1].lstrip('"').startswith("'")


@pytest.mark.parametrize("text", ["-1.5", "-0x1.8p+3", "-inf", "+3e5", "naive", "-65500.0", "x=1"])
def test_numbers_and_names_are_cells_as_they_are(text: str) -> None:
    assert to_csv(["a"], [[text]]) == f"a\n{text}\n"


def test_markdown_mentions_and_links_are_text() -> None:
    shown = escape_markdown("@octocat #12 https://evil.example www.evil.example a@b.c ![x](y) <b>")
    for part in ("@octocat", "#12", "https://", "www.e", "@b", "[x]", "<b"):
        assert part not in shown.replace("\\[", "").replace("\\]", "")


def test_a_sentence_has_an_end() -> None:
    assert shorten_sentence("x" * LONGEST_SENTENCE) == "x" * LONGEST_SENTENCE
    long = shorten_sentence("a" + "x" * 10**6 + "b")
    assert len(long) <= LONGEST_SENTENCE
    assert (long[0], long[-1]) == ("a", "b")
