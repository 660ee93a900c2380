"""Arrays in .npz files that are damaged or made to harm."""

from __future__ import annotations

import zipfile

import numpy as np

from tests.core.data.incoming.contents import Case, arrays, npy, npy_said, zipped

COUNT = 24
LABELS = np.arange(COUNT) % 2
GREY = np.zeros((COUNT, 8, 8), dtype=np.uint8)


def images_said(shape: str, descr: str = "|u1", order: str = "False", content: bytes = bytes(1536)) -> bytes:
    """An array of images with a header as given."""
    said = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n"
    return arrays(images=npy_said(said, content))


def labels_said(header: str, content: bytes = b"") -> bytes:
    return arrays(labels=npy_said(header, content))


def damaged() -> bytes:
    good = bytearray(arrays())
    at = good.index(b"images.npy") + 300
    good[at : at + 40] = bytes(40)
    return bytes(good)


ARRAYS = {
    "pickled images": Case(
        lambda: arrays(images=np.array([[1], "x"], dtype=object)), "unreadable", "pickled objects"
    ),
    "pickled labels": Case(
        lambda: arrays(labels=np.array(["a", 1] * 12, dtype=object)), "unreadable", "pickled objects"
    ),
    "pickled class names": Case(
        lambda: arrays(class_names=np.array(["a", "b"], dtype=object)), "unreadable", "pickled objects"
    ),
    "structured": Case(
        lambda: arrays(labels=np.zeros(COUNT, dtype=[("a", "i4")])), "unreadable", "no plain array"
    ),
    "no labels": Case(lambda: arrays(labels=None), "unreadable", "there is images, but no labels"),
    "no images": Case(lambda: arrays(images=None), "unreadable", "no arrays `images` and `labels`"),
    "no test labels": Case(lambda: arrays(test_images=GREY), "unreadable", "but no test_labels"),
    "floats": Case(lambda: arrays(images=GREY.astype(np.float32)), "unreadable", "allowed: uint8"),
    "not a number": Case(
        lambda: arrays(images=np.full((COUNT, 8, 8), np.nan)), "unreadable", "allowed: uint8"
    ),
    "integers of 64 bits": Case(lambda: arrays(images=GREY.astype(np.int64)), "unreadable", "allowed: uint8"),
    "four channels": Case(
        lambda: arrays(images=np.zeros((COUNT, 8, 8, 4), dtype=np.uint8)), "unreadable", "C 1 or 3"
    ),
    "channels first": Case(
        lambda: arrays(images=np.zeros((COUNT, 3, 8, 8), dtype=np.uint8)), "unreadable", "C 1 or 3"
    ),
    "one dimension": Case(lambda: arrays(images=GREY.reshape(-1)), "unreadable", "allowed: uint8 (N, H, W)"),
    "five dimensions": Case(lambda: images_said("(24, 8, 8, 1, 1)"), "unreadable", "5 dimensions"),
    "Fortran order": Case(lambda: images_said("(24, 8, 8)", order="True"), "unreadable", "Fortran order"),
    "negative shape": Case(lambda: images_said("(24, -8, -8)"), "unreadable", "no plain array"),
    "endless shape": Case(lambda: images_said("(" + "9" * 4000 + ", 8, 8)"), "unreadable", "no plain array"),
    "shape beyond all": Case(
        lambda: images_said("(24, 999999999999999999, 999999999999999999)"), "unreadable", "pixels"
    ),
    "images beyond the limit": Case(
        lambda: images_said("(24, 1000, 1000)"), "unreadable", "1,000,000 pixels"
    ),
    "images of no pixels": Case(lambda: images_said("(24, 0, 8)", content=b""), "unreadable", "0 pixels"),
    "fewer bytes than said": Case(
        lambda: images_said("(24, 9, 9)"), "unreadable", "fewer bytes than its header says"
    ),
    "more bytes than said": Case(
        lambda: images_said("(24, 7, 7)"), "unreadable", "more bytes than its header says"
    ),
    "unknown type": Case(lambda: images_said("(24, 8, 8)", descr="|x1"), "unreadable", "unknown type"),
    "code in a header": Case(
        lambda: labels_said("{'descr': __import__('os').system('id'), 'shape': (24,)}"),
        "unreadable",
        "no plain array",
    ),
    "brackets without end": Case(lambda: labels_said("(" * 9000), "unreadable", "no plain array"),
    "endless header": Case(
        lambda: arrays(labels=npy_said(" " * 70_000, version=b"\2\0")), "unreadable", "70,000 bytes"
    ),
    "header cut off": Case(lambda: arrays(labels=b"\x93NUMPY\1\0\xff\xff{"), "unreadable", ""),
    "unknown version": Case(lambda: arrays(labels=npy_said("", version=b"\7\0")), "unreadable", "no NumPy"),
    "no array": Case(lambda: arrays(labels=b"hello, this is no array"), "unreadable", "no NumPy array"),
    "fewer labels": Case(lambda: arrays(labels=LABELS[:-1]), "unreadable", "24 images, but 23 labels"),
    "more labels": Case(lambda: arrays(labels=np.arange(30) % 2), "unreadable", "24 images, but 30 labels"),
    "float labels": Case(lambda: arrays(labels=LABELS / 2), "unreadable", "whole numbers or texts"),
    "labels that are no number": Case(
        lambda: arrays(labels=np.full(COUNT, np.nan)), "unreadable", "whole numbers or texts"
    ),
    "labels in two dimensions": Case(
        lambda: arrays(labels=np.zeros((COUNT, 2), dtype=int)), "unreadable", "allowed: (N,)"
    ),
    "one label for all": Case(lambda: arrays(labels=np.array(1)), "unreadable", "allowed: (N,)"),
    "many labels": Case(
        lambda: labels_said("{'descr': '<i8', 'fortran_order': False, 'shape': (999999999999,), }"),
        "archive_too_large",
        "999,999,999,999 labels",
    ),
    "label without a name": Case(
        lambda: arrays(labels=np.arange(COUNT) % 3, class_names=np.array(["a", "b"])),
        "unreadable",
        "the label 2 is none of 2 classes",
    ),
    "negative label": Case(
        lambda: arrays(labels=-LABELS, class_names=np.array(["a", "b"])), "unreadable", "the label -1"
    ),
    "one class name twice": Case(
        lambda: arrays(class_names=np.array(["a", "a"])), "unreadable", "a name twice"
    ),
    "class without images": Case(
        lambda: arrays(class_names=np.array(["a", "b", "c"])), "too_few_images", "class 'c'"
    ),
    "class name that reorders text": Case(
        lambda: arrays(class_names=np.array(["a\u202e", "b"])), "archive_unsafe", "U+202E"
    ),
    "long texts": Case(
        lambda: labels_said("{'descr': '<U999999', 'fortran_order': False, 'shape': (24,), }"),
        "archive_too_large",
        "256 characters",
    ),
    "texts of no characters": Case(
        lambda: labels_said("{'descr': '<U0', 'fortran_order': False, 'shape': (24,), }"),
        "unreadable",
        "empty texts",
    ),
    "texts of no Unicode": Case(
        lambda: labels_said(
            "{'descr': '<U1', 'fortran_order': False, 'shape': (24,), }", b"\xff\xff\xff\x7f" * COUNT
        ),
        "unreadable",
        "no text that can be read",
    ),
    "bytes in no UTF-8": Case(
        lambda: arrays(labels=np.array([b"\xff", b"\xfe"] * 12)), "unreadable", "no text that can be read"
    ),
    "texts beside numbers": Case(
        lambda: arrays(test_images=GREY, test_labels=np.array(["a", "b"] * 12)),
        "unreadable",
        "whole numbers and others are texts",
    ),
    "many classes": Case(lambda: arrays(labels=np.arange(COUNT)), "archive_too_large", "24 classes"),
    "one class": Case(lambda: arrays(labels=np.zeros(COUNT, dtype=int)), "too_few_classes"),
    "no image": Case(lambda: arrays(images=GREY[:0], labels=LABELS[:0]), "too_few_classes"),
    "bomb": Case(
        lambda: arrays(images=np.zeros((100, 400, 400), dtype=np.uint8), labels=np.arange(100) % 2),
        "archive_too_large",
        "",
    ),
    "damaged stream": Case(damaged, "unreadable", "images is damaged"),
    "one name twice": Case(
        lambda: zipped(
            {"labels.npy": npy(LABELS), "LABELS.npy": b"", **{f"{n}.npy": b"" for n in range(120)}}
        ),
        "archive_unsafe",
        "there are many",
    ),
    "stored archive that is cut off": Case(
        lambda: zipped({"images.npy": npy(GREY), "labels.npy": npy(LABELS)}, zipfile.ZIP_STORED)[:-200],
        "unreadable",
        "cut off",
    ),
}
