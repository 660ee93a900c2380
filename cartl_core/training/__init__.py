"""Training: the loop, and the two stages that use it (pretrain a teacher, transfer it to a student)."""
