"""The student in the forms that others load, each measured beside the network before it is given away.

``export_student`` is called in the run; the work is done by a process of its own (``child``), whose memory,
time and end are its own.
"""
