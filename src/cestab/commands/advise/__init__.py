"""`cestab advise`: what to use in a format, with the case that proves it, without a file."""
