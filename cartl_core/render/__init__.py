"""The report's faces: pure functions from a ``Report`` to text. No torch, no files."""
