"""A teacher for the time that is left, saved in pieces that can be carried one by one."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.gpu.place import Setting
from benchmarks.gpu.rows import EPS, our_step, place
from cartl_core.data import load
from cartl_core.spec import DataSpec, PretrainSpec
from cartl_core.storage.stage_result import NETWORK, read_result
from cartl_core.training.pretrain import pretrain

PIECE_BYTES = 15 * 2**20
MANIFEST = "pieces.json"
SHARE = 0.8
"""Of the time left that steps may take by their measured time; the rest validates, reads and saves."""


def train(setting: Setting, dataset: str, data_root: Path, out: Path, deadline: float) -> dict[str, Any]:
    """Adversarially train on all of a data set for as many epochs as end before ``deadline``; save it.

    Args:
        deadline: by ``time.monotonic``.
    """
    asked = DataSpec(name=dataset, train_limit=setting.train_limit)
    data = load(asked, setting.network, data_root=data_root, seed=0, download=False)
    step = setting.seconds({"step": our_step(setting, setting.network, "bf16", fdm=False)})["step"]
    an_epoch = step * (len(data.train) // setting.batch)
    epochs = min(setting.most_epochs, int(SHARE * (deadline - time.monotonic()) / an_epoch))
    if epochs < 1:
        return {"left_out": f"an epoch takes {an_epoch:.0f} s, more than there is"}
    spec = PretrainSpec.model_validate(
        {
            "objective": "at",
            "attack": {"label": "training", "eps": EPS, "step": EPS / 4, "steps": setting.inner_steps},
            "epochs": epochs,
            "batch_size": setting.batch,
            "lr": 0.1,
            "lr_schedule": "cosine",
            "augmentation": "crop_flip",
            "select": "last",
            "validate_images": min(512, len(data.validation)),
        }
    )
    out.mkdir(parents=True, exist_ok=True)
    ctx = replace(place(setting, "bf16"), directory=out)
    pretrain(spec, 0, setting.network, data, seed=0, ctx=ctx)
    facts = read_result(out)
    pieces = split(out / NETWORK, out)
    return {"dataset": dataset, "epochs": epochs, "last": facts["history"][-1], "pieces": pieces}


def split(file: Path, folder: Path, most: int = PIECE_BYTES) -> list[str]:
    """Cut a file into pieces of at most ``most`` bytes and remove it; ``join`` puts them together again."""
    content, names = file.read_bytes(), []
    for number, first in enumerate(range(0, len(content), most)):
        names.append(f"{file.name}.{number:02}")
        (folder / names[-1]).write_bytes(content[first : first + most])
    told = {"file": file.name, "sha256": hashlib.sha256(content).hexdigest(), "pieces": names}
    (folder / MANIFEST).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    file.unlink()
    return names


def join(folder: Path) -> Path:
    """The file that ``split`` has cut, whole again beside its pieces.

    Raises:
        ValueError: the pieces are not those that were written.
    """
    told = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    content = b"".join((folder / name).read_bytes() for name in told["pieces"])
    if hashlib.sha256(content).hexdigest() != told["sha256"]:
        raise ValueError(f"the pieces of {told['file']} are not those that were written")
    whole = folder / str(told["file"])
    whole.write_bytes(content)
    return whole
