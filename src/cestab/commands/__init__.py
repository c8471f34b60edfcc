"""The command line: one thin file per command; NumPy is imported only when a command runs."""
