"""The commands: one room each."""
