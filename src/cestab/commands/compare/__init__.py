"""`cestab compare`: formulations beside a reference on the same cases."""
