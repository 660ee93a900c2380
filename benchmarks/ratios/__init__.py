"""Ratios that anyone can measure again: what this library does beside another way to the same end."""
