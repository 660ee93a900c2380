"""What the machine decides, decided once: device, threads, precision, versions.

A ``Runtime`` that an earlier attempt resolved is taken over as it is where the machine allows, so that
a resumed run gives the same bits.
"""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch

import cartl_core
from cartl_core.errors import SpecError
from cartl_core.planning.estimates.shared_threads import share_threads
from cartl_core.run.code_version import code_version
from cartl_core.spec import JobSpec, Runtime
from cartl_core.spec.existing_network import EvaluateJobSpec


def resolve(
    spec: JobSpec | EvaluateJobSpec, *, threads: int | None = None, image: str | None = None
) -> Runtime:
    """Fill in every ``auto`` of ``spec`` for this machine; attacks begin in fp32.

    Whether they pay in bf16 is measured by ``cartl_core.run.attack_precision.choose``.

    Args:
        spec: its ``device`` and ``precision`` are followed.
        threads: CPU threads to use, of all stages together; None takes all that this process may use.
        image: SHA-256 of the container image that this process runs in, where somebody knows it.

    Raises:
        SpecError: ``cuda`` was asked for and there is none.
    """
    whole = of_machine(spec.device, spec.precision, threads or _usable_threads())
    each, at_once = share_threads(whole.device, spec.model, whole.threads)
    return whole.model_copy(update={"threads": each, "stages_at_once": at_once, "image": image})


def of_machine(
    device_asked: Literal["auto", "cpu", "cuda"], precision: Literal["auto", "fp32", "bf16"], threads: int
) -> Runtime:
    """The same for what was asked for.

    Raises:
        SpecError: ``cuda`` was asked for and there is none.
    """
    device, code = _device(device_asked), code_version()
    return Runtime(
        device=device,
        device_name=torch.cuda.get_device_name() if device == "cuda" else _processor(),
        threads=threads,
        precision=_precision(precision, device),
        python=platform.python_version(),
        torch=version("torch"),
        torchvision=version("torchvision"),
        cartl=cartl_core.__version__,
        machine=platform.machine(),
        commit=code.commit,
        tree_changed=code.changed,
    )


CHANGES_NOTHING = frozenset({"stages_at_once", "commit", "tree_changed", "image"})
"""Fields of a runtime by which nothing is computed anew: how many stages at a time, and which code."""


def settle(recorded: Runtime, here: Runtime) -> tuple[Runtime, tuple[str, ...]]:
    """The runtime to use on this machine when an earlier attempt has ``recorded`` one.

    The threads of a stage and the precision are taken over, on the same device also that in which attacks
    begin; what the machine itself fixes (device, versions) is not negotiable. No more stages are computed at
    a time than there are threads for. Returns the runtime and, where it differs from the recorded one, the
    names of the fields that differ: stages of the other runtime are then computed anew. The code is this
    machine's.
    """
    room = here.threads * here.stages_at_once // recorded.threads
    kept: dict[str, Any] = {
        "threads": recorded.threads,
        "stages_at_once": max(1, min(here.stages_at_once, room)),
    }
    if recorded.device == here.device:
        kept["precision"] = recorded.precision
    if same_device(recorded, here):
        kept["attack_precision"] = recorded.attack_precision
    runtime = here.model_copy(update=kept)
    changed = tuple(
        name
        for name in Runtime.model_fields
        if name not in CHANGES_NOTHING and getattr(runtime, name) != getattr(recorded, name)
    )
    return runtime, changed


def same_device(recorded: Runtime, here: Runtime) -> bool:
    """Whether both are the same kind of device: what was measured on one is true of the other."""
    return (recorded.device, recorded.device_name) == (here.device, here.device_name)


def multiplies_bf16(device: str) -> bool:
    """Whether this machine's ``device`` has bf16 in hardware: without, it is ten times slower than fp32."""
    return torch.cuda.is_bf16_supported() if device == "cuda" else torch.cpu._is_amx_tile_supported()


def enter(runtime: Runtime) -> None:
    """Set this process up for ``runtime``: threads, and deterministic algorithms where there are any."""
    torch.set_num_threads(runtime.threads)
    if runtime.device == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False


def _usable_threads() -> int:
    """Processors that this process may use, where the system tells; else all there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _device(asked: Literal["auto", "cpu", "cuda"]) -> Literal["cpu", "cuda"]:
    if asked == "cuda" and not torch.cuda.is_available():
        raise SpecError("device", "this machine has no usable GPU", allowed="cpu, auto")
    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return asked


def _precision(asked: Literal["auto", "fp32", "bf16"], device: str) -> Literal["fp32", "bf16"]:
    if asked != "auto":
        return asked
    return "bf16" if multiplies_bf16(device) else "fp32"


def _processor() -> str:
    """The processor's name as Linux tells it; elsewhere what Python knows."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
