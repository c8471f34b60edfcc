"""The form html: one self-contained page, the same for every command; which parts it has, each command says."""
