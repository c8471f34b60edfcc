"""Adapters: losses that are not ours, run in processes of their own. Nothing of them is imported unless it is named."""

from cestab.external.names import ADAPTERS, is_target_name

__all__ = ["ADAPTERS", "is_target_name"]
