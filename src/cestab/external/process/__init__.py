"""Processes: an external loss runs in a worker, which is started, spoken to and ended here."""
