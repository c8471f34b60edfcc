"""The frozen values that every layer passes around: kinds of findings, requests, and what each command answers."""
