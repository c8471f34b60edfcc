"""Processes: an external loss runs in a worker, which is started, called and ended here."""
