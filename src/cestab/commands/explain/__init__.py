"""`cestab explain`: one case, operation by operation."""
