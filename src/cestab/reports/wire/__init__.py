"""Wire types: what reports have in common on the wire, and how a document that is none of them is refused."""
