"""`cestab audit`: recorded logits; answers with sweep's report."""
