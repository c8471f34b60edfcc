"""Truth: the exact value and gradient of an objective at given logits, with a proven error bound."""
