"""Groups of commands of `python -m jobs`."""
