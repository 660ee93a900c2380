"""Intervals, tests and selection rules: plain numbers in, plain numbers out. Torch-free."""
