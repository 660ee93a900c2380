"""How long a run will take: what is expected of it before, and what it has shown so far."""
