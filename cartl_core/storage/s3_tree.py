"""Trees in a bucket: a manifest, written last, says which files a tree has and where their bytes lie.

S3 names one object at a time. So the bytes of a tree lie where nobody looks, and the tree is there once its
manifest is; whoever deletes it deletes the manifest first.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cartl_core.storage.bucket import Bucket, Object
from cartl_core.strict_json import Limits, loads

MANIFEST_LIMITS = Limits(size=64 * 1024**2, values=4_000_000, items=1_000_000)
TOKEN_BYTES = 16


@dataclass(frozen=True)
class Tree:
    """What a manifest says.

    Attributes:
        path: of the manifest.
        content: below which the files lie, by their paths in the tree.
        files: their objects, which never change, by their paths in the tree.
    """

    path: str
    content: str
    files: dict[str, Object]

    def names(self, below: str = "") -> list[str]:
        """Paths in the tree of the file ``below``, or of those in the folder ``below``; all, where empty."""
        return [name for name in self.files if not below or f"{name}/".startswith(f"{below}/")]


class Trees:
    """The trees of a store.

    Args:
        root: below which manifests lie, by the trees' keys.
        content: below which their bytes lie.
    """

    def __init__(self, bucket: Bucket, root: str, content: str) -> None:
        self._bucket, self._root, self._content = bucket, root, content

    def find(self, key: str) -> Tree | None:
        """The tree that was put as ``key``."""
        found = self._bucket.find(f"{self._root}/{key}")
        return None if found is None else self._read(found)

    def around(self, key: str) -> tuple[Tree, str] | None:
        """The tree that a key leads into, and the rest of the key: a path in it, which need not be there."""
        parts = key.split("/")
        for end in range(len(parts) - 1, 0, -1):
            if (tree := self.find("/".join(parts[:end]))) is not None:
                return tree, "/".join(parts[end:])
        return None

    def below(self, prefix: str) -> list[tuple[str, Tree]]:
        """Trees that were put as ``prefix`` or below it, with their keys; all, where it is empty."""
        found = [*self._bucket.list(f"{self._root}/{prefix}".rstrip("/"))]
        at_it = self._bucket.find(f"{self._root}/{prefix}") if prefix else None
        found += [] if at_it is None else [at_it]
        return [(one.path.removeprefix(f"{self._root}/"), self._read(one)) for one in found]

    def put(self, key: str, directory: Path) -> None:
        """Keep the files of a directory as a tree.

        Raises:
            FileExistsError: there is one of this key.
        """
        content = f"{self._content}/{secrets.token_hex(TOKEN_BYTES)}"
        files: dict[str, dict[str, object]] = {}
        try:
            for path in sorted(one for one in directory.rglob("*") if one.is_file()):
                with path.open("rb") as file:
                    sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                name = path.relative_to(directory).as_posix()
                self._bucket.put(f"{content}/{name}", path, sha256)
                files[name] = {"size": path.stat().st_size, "sha256": sha256}
            manifest = json.dumps({"content": content, "files": files}).encode()
            digest = hashlib.sha256(manifest).hexdigest()
            self._bucket.put(f"{self._root}/{key}", manifest, digest, new=True)
        except BaseException:
            self._bucket.delete(one.path for one in self._bucket.list(content))
            raise

    def delete(self, tree: Tree) -> None:
        """First the manifest, then the bytes."""
        self._bucket.delete([tree.path])
        self._bucket.delete(one.path for one in self._bucket.list(tree.content))

    def sweep(self, before: float) -> int:
        """Delete bytes that no manifest names, if they were written ``before``; how many objects."""
        listed = list(self._bucket.list(self._content))
        named = {tree.content for _, tree in self.below("")}
        lost = [
            one.path
            for one in listed
            if one.modified < before and not any(one.path.startswith(f"{content}/") for content in named)
        ]
        self._bucket.delete(lost)
        return len(lost)

    def _read(self, manifest: Object) -> Tree:
        text = b"".join(self._bucket.read(manifest, 0, manifest.size))
        told: Any = loads(text, MANIFEST_LIMITS)
        content = str(told["content"])
        files = {
            name: Object(f"{content}/{name}", int(one["size"]), str(one["sha256"]), "", manifest.modified)
            for name, one in told["files"].items()
        }
        return Tree(manifest.path, content, files)
