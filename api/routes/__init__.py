"""The paths of the door, by what they are about."""
