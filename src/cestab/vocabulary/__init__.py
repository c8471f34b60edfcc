"""Vocabulary: the frozen values that every layer passes around."""
