"""What an operator's key vouches for: a run's files with what came of them, and its weights by themselves."""
