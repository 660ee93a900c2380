"""Content as it comes: archives, arrays and folders, read forward and within limits.

``archive_format`` says what a file is. ``members`` has what all formats share: safe names, and the meter that
counts what was unpacked.
"""
