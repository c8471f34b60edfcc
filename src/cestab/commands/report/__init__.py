"""`cestab report`: reports that were written as JSON, as a page."""
