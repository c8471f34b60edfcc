"""Reports: one file per form in which results are shown. They see results only."""
