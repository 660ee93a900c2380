"""What jobs run on: devices, slots, and how fast stages are there."""
