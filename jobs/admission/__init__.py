"""What a job will cost, and whether it is accepted."""
