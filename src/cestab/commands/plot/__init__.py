"""`cestab plot`: figures of reports, for papers and pages."""
