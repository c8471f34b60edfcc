"""Judgement: arrays of computed and true values become findings, findings become summaries that merge; nothing runs here."""
