"""Reports: one file per form that commands share. They see the vocabulary only."""
