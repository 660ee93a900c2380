"""The layouts in which others write networks: recognised by names and shapes, and translated; torch-free.

``LAYOUTS[name].to_theirs(names)`` says what a layout calls the tensors of a network of ours, and
``recognise`` which network of ours a file of another layout holds.
"""

from cartl_core.catalog.layouts.file_layout import FileLayout
from cartl_core.catalog.layouts.recognise import Recognised, recognise
from cartl_core.catalog.layouts.refused import TeacherRefused
from cartl_core.catalog.layouts.table import LAYOUT_NAMES, LAYOUTS, OURS

__all__ = ["LAYOUTS", "LAYOUT_NAMES", "OURS", "FileLayout", "Recognised", "TeacherRefused", "recognise"]
