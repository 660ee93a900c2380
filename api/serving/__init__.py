"""The connections themselves: who may have how many, how long they may be silent, how they are closed."""
