"""One migration a file, oldest first by number."""
