"""What follows from who asks: when a key was used, and what was refused."""
