"""`cestab diff`: two reports of the same request."""
