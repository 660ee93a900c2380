"""The checks against self-deception in words: their names, their outcomes, what to do. Torch-free."""
