"""What owners may use of the service, and what they use."""
