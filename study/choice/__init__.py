"""Does ``auto`` choose well on few validation images? Rules of choice, replayed on finished cells.

``python -m study.choice`` computes all figures anew from the rows; no network is trained.
"""
