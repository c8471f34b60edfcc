"""`cestab check`: the audits of a project as one gate."""
