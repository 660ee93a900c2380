"""Data sets and teachers that people bring: what is asked of a check of them, and what it finds."""
