"""Data sets as tensors: ``load`` one, and refuse two that share images.

``sources`` reads files, ``fetch`` gets them, ``sampling`` and ``augment`` are functions of tensors.
"""

from cartl_core.data.augment import augment
from cartl_core.data.fetch import fetch as fetch_dataset
from cartl_core.data.loading import load
from cartl_core.data.overlap import refuse_overlap
from cartl_core.data.sampling import stratified
from cartl_core.data.values import Loaded, Split

__all__ = ["Loaded", "Split", "augment", "fetch_dataset", "load", "refuse_overlap", "stratified"]
