"""The delivery's book: what was claimed, and what became of it."""
