"""The commands: one room each, and what they share. NumPy is imported only when a command runs."""
