"""`cestab sweep`: logits and targets across ranges and formats."""
