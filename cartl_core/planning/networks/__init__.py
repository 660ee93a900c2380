"""Networks that exist already: what they settle of a job, and what they rule out. Torch-free."""
