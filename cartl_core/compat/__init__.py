"""What is done for the sake of single systems: a torchvision that does not fit torch, Debian's archive."""
