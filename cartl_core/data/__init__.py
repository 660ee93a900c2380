"""Data sets as images and labels: ``load`` one, and keep two apart that share images.

``sources`` reads files, ``fetch`` gets them, ``sampling`` and ``augment`` are functions of tensors.
"""

from cartl_core.data.augment import augment
from cartl_core.data.download import fetch as fetch_dataset
from cartl_core.data.file_counts import skipped_files
from cartl_core.data.image_set import ImageSet
from cartl_core.data.loading import load
from cartl_core.data.overlap import keep_apart, left_out
from cartl_core.data.splits import Loaded, Split
from cartl_core.data.stratified import stratified

__all__ = [
    "ImageSet",
    "Loaded",
    "Split",
    "augment",
    "fetch_dataset",
    "keep_apart",
    "left_out",
    "load",
    "skipped_files",
    "stratified",
]
