"""Webhooks: what owners register, what is owed to them, where it may go and how it is signed."""
