"""What a stage runs with: its context, its checkpoints, memory errors."""
