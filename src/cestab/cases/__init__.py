"""Cases: from ranges, patterns and target kinds, or from files, to logits and targets of a format."""
