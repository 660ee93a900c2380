"""The three stages of a run: pretrain a teacher, transfer it, evaluate what came out."""
