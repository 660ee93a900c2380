"""Data sets that people bring: an archive, arrays or a folder is looked at, and becomes a pack.

``check_dataset`` is the story. ``reading`` gives files and arrays one after another; ``decode`` makes pixels;
``collect`` keeps them, and ``skipped`` names the rest; ``places`` and ``splits`` say what is trained and
tested on; ``measure``, ``remarks`` and ``defaults`` say what was found.
"""

from cartl_core.data.incoming.check import check_dataset
from cartl_core.data.incoming.registered import FolderPack, has_changed, open_pack

__all__ = ["FolderPack", "check_dataset", "has_changed", "open_pack"]
