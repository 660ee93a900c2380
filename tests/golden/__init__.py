"""Golden files: what this version computes, shows and stores, to be compared with by later ones."""
