"""cestab: a numerical stability auditor for cross-entropy loss and its backpropagation."""
