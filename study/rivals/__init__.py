"""The study against rivals: what people really tune with beside ``consistent``, and across domains.

It has a plan and rows of its own; how a cell is tuned and examined is the first study's.
"""
