"""External losses: how they are named, called, and run in worker processes; a framework is imported only where one is named."""

from cestab.external.names import ADAPTERS, is_external_name

__all__ = ["ADAPTERS", "is_external_name"]
