"""Files of a job, brought here: gone on with where a download broke off, and proven to be whole."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import httpx

from cartl.client import Client, Json
from cartl.http.answers import not_the_service
from cartl.http.problems import NotUsable

Format = Literal["safetensors", "layout", "pt2", "onnx", "card", "all"]
NAMES: dict[Format, re.Pattern[str]] = {
    "safetensors": re.compile(r"student\.safetensors"),
    "layout": re.compile(r"student\.[a-z0-9-]+\.safetensors"),
    "pt2": re.compile(r"student\.pt2"),
    "onnx": re.compile(r"student\.onnx|classes\.json"),
    "card": re.compile(r"model-card\.md|robustbench\.json"),
    "all": re.compile(r".*"),
}
"""The artifacts that belong to a format."""

Told = Callable[[int], None]
"""Told how many bytes of a file are here."""


def files_of(client: Client, job_id: str, wanted: Format) -> list[Json]:
    """The artifacts of a format.

    Raises:
        NotUsable: the job has none; it says why, as far as the job's state tells.
        ClientError: nobody answered, or not as a service does.
    """
    found = client.artifacts(job_id)
    chosen = [artifact for artifact in found if NAMES[wanted].fullmatch(artifact["name"])]
    if chosen:
        return chosen
    state = client.job(job_id)["state"]
    why = (
        "it was not asked for or it was withheld; the report says which under `exports`"
        if state == "succeeded"
        else f"it is {state}, and files come at the end"
    )
    raise NotUsable(f"job {job_id} has no file of the format {wanted}: {why}")


def download(client: Client, job_id: str, artifact: Json, folder: Path, told: Told) -> bool:
    """Bring one file into ``folder``; False where it was there already, equal to the letter.

    What came before a connection broke lies in ``.NAME.part``, and the next call goes on behind it.

    Raises:
        NotUsable: another file of that name is there, or what came is not what the service has.
        ClientError: nobody answered, or not as a service does.
        OSError: the file cannot be written.
    """
    place, part = folder / artifact["name"], folder / f".{artifact['name']}.part"
    if is_there(place, artifact["sha256"]):
        told(artifact["size"])
        return False
    folder.mkdir(parents=True, exist_ok=True)
    start = part.stat().st_size if part.exists() else 0
    if start < artifact["size"] or start == 0:
        _fetch(client, job_id, artifact, part, start, told)
    if _sha256(part) != artifact["sha256"]:
        part.unlink()
        raise NotUsable(f"what came of {artifact['name']} is not what the service has; try again")
    part.replace(place)
    return True


def is_there(place: Path, sha256: str) -> bool:
    """Whether the file is at ``place`` already, equal to the letter.

    Raises:
        NotUsable: something else is there.
    """
    if not place.exists():
        return False
    if not place.is_file() or _sha256(place) != sha256:
        raise NotUsable(f"{place} is there and is another file; move it, or give another folder (--out)")
    return True


def _fetch(client: Client, job_id: str, artifact: Json, part: Path, start: int, told: Told) -> None:
    """Write what follows the first ``start`` bytes; from the beginning where the file is another by now."""
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": f'"{artifact["sha256"]}"'}
    with client.artifact(job_id, artifact["name"], headers) as response:
        goes_on = response.status_code == httpx.codes.PARTIAL_CONTENT
        here = start if goes_on else 0
        with part.open("ab" if goes_on else "wb") as file:
            for piece in response.iter_bytes():
                here += len(piece)
                if here > artifact["size"]:
                    raise not_the_service(f"{artifact['name']} is longer than it said")
                file.write(piece)
                told(here)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
