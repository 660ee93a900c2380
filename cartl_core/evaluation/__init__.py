"""Attacks and diagnostics on finished networks, batch by batch."""
