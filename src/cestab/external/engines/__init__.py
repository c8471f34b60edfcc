"""Engines: one file per framework that can compute a loss and its gradient."""
