"""Data sets and teachers in the record: announced, received, found, listed."""
