"""The service under load, beside a bare one that does the same with nothing in between."""
