"""The guard around torchvision's import, in processes of their own: an import leaves traces."""

from __future__ import annotations

import subprocess
import sys

# What a CUDA build of the library does beside a CPU-only torch, on any machine.
BROKEN = """
import torch
def refuse(path):
    raise OSError(f"{path}: cannot open shared object file")
torch.ops.load_library = refuse
"""
USE = """
from cartl_core.compat.torchvision_import import import_torchvision
vision = import_torchvision()
assert import_torchvision() is vision
assert vision.datasets.CIFAR10.base_folder == "cifar-10-batches-py"
import torch
import torchvision
assert torchvision is vision
from torchvision.transforms import v2
assert v2.functional.horizontal_flip(torch.arange(4.0).view(1, 1, 1, 4))[0, 0, 0].tolist() == [3, 2, 1, 0]
assert torchvision.models.resnet18(num_classes=2)(torch.zeros(2, 3, 64, 64)).shape == (2, 2)
"""


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)


def test_torchvision_imports_as_it_is_installed_here() -> None:
    done = run(USE)
    assert done.returncode == 0, done.stderr


def test_torchvision_imports_without_its_compiled_part() -> None:
    assert "operator torchvision::nms does not exist" in run(BROKEN + "import torchvision").stderr
    done = run(BROKEN + USE)
    assert done.returncode == 0, done.stderr


def test_another_fault_is_passed_on() -> None:
    script = """
import sys, types
class Broken:
    def find_spec(self, name, path=None, target=None):
        if name == "torchvision":
            raise RuntimeError("a fault of its own")
sys.meta_path.insert(0, Broken())
from cartl_core.compat.torchvision_import import import_torchvision
import_torchvision()
"""
    done = run(script)
    assert done.returncode == 1
    assert "RuntimeError: a fault of its own" in done.stderr
