"""Calls for people who have networks and images in memory: run, transfer, evaluate."""
