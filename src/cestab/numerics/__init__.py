"""Formats, rounding, the tape and truth: everything that knows how numbers behave and nothing about reports."""
