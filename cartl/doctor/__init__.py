"""`cartl doctor`: what this machine has of what the command and the service need, a row for each thing."""
