"""Bytes on disk: atomic files, stage results and the stage cache. Torch-free."""
