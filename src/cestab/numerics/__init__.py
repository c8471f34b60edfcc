"""Numerics: how numbers behave in a format: rounding, arithmetic, the tape and its operations."""
