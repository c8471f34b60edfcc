"""`cestab verify`: what a report says, decided again in ball arithmetic."""
