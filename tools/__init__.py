"""What maintains the repository itself: nothing here is installed or imported by the service."""
