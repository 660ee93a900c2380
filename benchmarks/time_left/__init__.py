"""How honest the time left is: `python -m benchmarks.time_left`."""
