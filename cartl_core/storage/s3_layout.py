"""Which object of a bucket is the file of a key.

ROOT/files/KEY        a file; its SHA-256 is in the object's metadata
ROOT/trees/KEY        the manifest of a tree
ROOT/content/TOKEN/   the bytes of a tree
"""

from __future__ import annotations

import errno
import os

from cartl_core.storage.bucket import Bucket, Object
from cartl_core.storage.s3_tree import Trees
from cartl_core.storage.store import check_key


class Layout:
    """The objects of one store.

    Args:
        root: below which the store lies in the bucket; not empty.

    Attributes:
        trees: those that were put as one.
    """

    def __init__(self, bucket: Bucket, root: str) -> None:
        self._bucket = bucket
        self._files = f"{root}/files"
        self.trees = Trees(bucket, f"{root}/trees", f"{root}/content")

    def path(self, key: str) -> str:
        """Of the object of a file that is put by itself.

        Raises:
            KeyRefused: it is no key.
        """
        return f"{self._files}/{check_key(key)}"

    def find(self, key: str) -> Object | None:
        """The object of a file, be it one of a tree."""
        if (found := self._bucket.find(self.path(key))) is not None:
            return found
        inside = self.trees.around(key)
        return None if inside is None else inside[0].files.get(inside[1])

    def found(self, key: str) -> Object:
        """The same.

        Raises:
            FileNotFoundError: there is none.
            OSError: others have put it.
        """
        found = self.find(key)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), key)
        if not found.sha256:
            raise OSError(errno.EIO, "it was not put by this service: no SHA-256 is beside it", key)
        return found

    def below(self, prefix: str) -> dict[str, Object]:
        """The file or the files of the tree ``prefix``, by their keys; not all of their digests are known."""
        found: dict[str, Object] = {}
        if prefix:
            if (inside := self.trees.around(prefix)) is not None:
                tree, rest = inside
                around = prefix.removesuffix(rest)
                found |= {f"{around}{name}": tree.files[name] for name in tree.names(rest)}
            if (one := self._bucket.find(self.path(prefix))) is not None:
                found[prefix] = one
        for key, tree in self.trees.below(prefix):
            found |= {f"{key}/{name}": tree.files[name] for name in tree.names()}
        files = self._bucket.list(f"{self._files}/{prefix}".rstrip("/"))
        return found | {one.path.removeprefix(f"{self._files}/"): one for one in files}
