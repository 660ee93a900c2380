"""Each format is loaded as others would load it, and computes what the network computes.

Making a graph takes seconds, so each network is exported once for all tests of this file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import onnx
import onnxruntime
import pytest
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from cartl_core.nn.build import build_network
from cartl_core.nn.neft import apply_nonexpansive, bake
from cartl_core.nn.network import Network
from cartl_core.nn.rng import generator
from cartl_core.run.exports.formats import write_layout, write_onnx, write_pt2
from cartl_core.run.exports.layouts import layout_for, public_layout
from cartl_core.run.exports.measure import Forward, Reference, compare
from cartl_core.run.exports.order import Task
from cartl_core.spec import ModelSpec, TeacherSpec
from cartl_core.spec.architecture import Architecture
from tests.factories import make_spec

pytestmark = pytest.mark.slow

CLASSES = ("cat", "d\u00f6g", 'a "bird"', "x")
MODELS = {
    "plain wrn": ("tiny", 1, None),
    "neft wrn": ("tiny", 1, 1),
    "neft resnet": ("resnet18", 3, 5),
}
"""Network, channels, and the block from which on it was tuned by NEFT."""


@cache
def network_of(name: str, channels: int, tuned_from: int | None) -> Network:
    model = ModelSpec.model_validate({"name": name, "image_size": 8, "channels": channels})
    mean, std = (0.4, 0.5, 0.3)[:channels], (0.2, 0.3, 0.25)[:channels]
    net = build_network(model, len(CLASSES), mean, std, generator(0, "network"))
    noise = generator(1, "statistics")
    with torch.no_grad():
        for layer in net.modules():
            if isinstance(layer, nn.BatchNorm2d) and layer.running_mean is not None:
                layer.running_mean.copy_(0.1 * torch.randn(layer.running_mean.shape, generator=noise))
                layer.bias.copy_(0.1 * torch.randn(layer.bias.shape, generator=noise))
    if tuned_from is not None:
        _, upper = net.split(tuned_from)
        apply_nonexpansive(upper, 0.9)
        bake(upper)
    return net.eval().requires_grad_(False)


@dataclass
class Exported:
    network: Network
    pt2: Path
    onnx: Path
    loaded: dict[str, Forward]
    """As ``formats`` loads them; the tests load the files by themselves, too."""
    program: Forward
    session: onnxruntime.InferenceSession


@pytest.fixture(scope="module", params=MODELS)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    torch.set_num_threads(1)
    net, folder = network_of(*MODELS[request.param]), tmp_path_factory.mktemp("exports")
    pt2, graph = folder / "student.pt2", folder / "student.onnx"
    loaded = {
        "pt2": write_pt2(net, Task(format="pt2", path=str(pt2)), pt2, CLASSES),
        "onnx": write_onnx(net, Task(format="onnx", path=str(graph)), graph, CLASSES),
    }
    program = torch.export.load(pt2).module()
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return Exported(net, pt2, graph, loaded, program, session)


def images_of(net: Network, count: int, seed: int = 0) -> Tensor:
    return torch.rand(count, *net.image_shape, generator=generator(seed, "images"))


@pytest.mark.parametrize("count", [1, 2, 7])
def test_graphs_agree_with_the_network_for_batches_of_any_size(exported: Exported, count: int) -> None:
    images = images_of(exported.network, count)
    wanted = exported.network(images)
    (graph,) = exported.session.run(["logits"], {"images": images.numpy()})
    for found in (exported.program(images), torch.from_numpy(graph)):
        assert found.shape == wanted.shape
        assert torch.allclose(found, wanted, rtol=0, atol=1e-5 * max(1.0, float(wanted.abs().max())))


def test_a_graph_says_what_goes_in_and_what_the_classes_are(exported: Exported) -> None:
    model = onnx.load(exported.onnx)
    (entry,), (leaving,) = model.graph.input, model.graph.output
    shape = [size.dim_param or size.dim_value for size in entry.type.tensor_type.shape.dim]
    assert (entry.name, leaving.name, shape) == ("images", "logits", ["batch", *exported.network.image_shape])
    assert entry.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    said = {pair.key: pair.value for pair in model.metadata_props}
    assert json.loads(said["classes"]) == list(CLASSES)
    extra = {"classes.json": ""}
    torch.export.load(exported.pt2, extra_files=extra)
    assert json.loads(extra["classes.json"]) == list(CLASSES)


def test_graphs_pass_the_measurement_and_another_network_does_not(exported: Exported) -> None:
    net = exported.network
    clean, adversarial = images_of(net, 9), images_of(net, 9, seed=1)
    labels = net(adversarial).argmax(dim=1)
    reference = Reference.of(net, clean, adversarial, labels)
    for forward in exported.loaded.values():
        measured = compare(reference, forward)
        assert measured.n == 9
        assert measured.robust_accuracy is not None and measured.robust_accuracy.successes == 9


class CifarBlock(nn.Module):
    """The block of the public ResNets of CIFAR, written down here from its paper: a judge of our own."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x: Tensor) -> Tensor:
        inner = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(inner + self.shortcut(x))


class CifarResNet18(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64)
        width = 64
        for group, wider in enumerate((64, 128, 256, 512), start=1):
            stride = 1 if group == 1 else 2
            blocks = CifarBlock(width, wider, stride), CifarBlock(wider, wider, 1)
            setattr(self, f"layer{group}", nn.Sequential(*blocks))
            width = wider
        self.linear = nn.Linear(512, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        for group in range(1, 5):
            x = getattr(self, f"layer{group}")(x)
        logits: Tensor = self.linear(x.mean(dim=(2, 3)))
        return logits


def test_a_state_dict_is_strict_in_the_public_class_and_computes_the_same(tmp_path: Path) -> None:
    """A student of NEFT: its averages are sums in the class."""
    net = network_of("resnet18", 3, 5)
    assert net.arch.averaged_from == 5
    layout = public_layout(net.arch.model)
    assert layout == "cifar-resnet"
    file = tmp_path / "student.cifar-resnet.safetensors"
    loaded = write_layout(net, Task(format="layout", path=str(file), layout=layout), file, CLASSES)
    judge = CifarResNet18(len(CLASSES))
    judge.load_state_dict(safetensors.torch.load_file(file), strict=True)
    images = images_of(net, 5)
    wanted = net(images)
    found = judge.eval()(net.normalize(images))
    assert torch.allclose(found, wanted, rtol=0, atol=1e-5 * max(1.0, float(wanted.abs().max())))
    assert torch.allclose(loaded(images), wanted, rtol=0, atol=1e-5 * max(1.0, float(wanted.abs().max())))
    with safetensors.safe_open(file, framework="pt") as opened:
        header = opened.metadata()
    assert json.loads(header["classes"]) == list(CLASSES)
    assert json.loads(header["mean"]) == pytest.approx(net.arch.mean)


def test_torchvision_loads_a_student_of_its_own_network(tmp_path: Path) -> None:
    from cartl_core.compat.torchvision_import import import_torchvision

    torchvision = import_torchvision()
    model = ModelSpec(name="torchvision-resnet18", image_size=32, channels=3)
    net = build_network(model, 4, (0.4, 0.5, 0.3), (0.2, 0.3, 0.25), generator(0, "network"))
    _, upper = net.split(6)
    apply_nonexpansive(upper, 0.9)
    bake(upper)
    net.eval().requires_grad_(False)
    file = tmp_path / "student.safetensors"
    write_layout(net, Task(format="layout", path=str(file), layout="torchvision-resnet"), file, CLASSES)
    judge = torchvision.models.resnet18(num_classes=4)
    judge.load_state_dict(safetensors.torch.load_file(file), strict=True)
    images = images_of(net, 3)
    wanted = net(images)
    assert torch.allclose(
        judge.eval()(net.normalize(images)), wanted, rtol=0, atol=1e-5 * max(1.0, float(wanted.abs().max()))
    )


@pytest.mark.parametrize(
    ("name", "channels", "stride", "layout"),
    [
        ("resnet18", 3, 1, "cifar-resnet"),
        ("resnet50", 3, 1, "cifar-resnet"),
        ("resnet18", 1, 1, None),
        ("resnet18", 3, 2, None),
        ("wrn-16-2", 3, 1, None),
        ("dm-wrn-28-10", 3, 1, None),
    ],
)
def test_which_public_layout_a_network_has(name: str, channels: int, stride: int, layout: str | None) -> None:
    model = ModelSpec.model_validate(
        {"name": name, "image_size": 32, "channels": channels, "stem_stride": stride}
    )
    assert public_layout(model) == layout


@pytest.mark.parametrize(
    ("came_in", "layout"), [("torchvision-resnet", "torchvision-resnet"), ("ours", "cifar-resnet")]
)
def test_a_student_goes_back_in_the_layout_of_its_teacher(came_in: str, layout: str) -> None:
    spec = make_spec(dataset="cifar10", model={"name": "resnet18", "image_size": 32, "stem_stride": 1})
    assert layout_for(spec) == "cifar-resnet"

    teacher = TeacherSpec(
        id="t1",
        name="theirs",
        digest="0" * 64,
        sha256="0" * 64,
        layout=came_in,
        architecture=Architecture(model=spec.model, classes=10, mean=(0.5,) * 3, std=(0.5,) * 3),
        normalisation="none",
        eps=8 / 255,
        eps_from="trained_at",
    )
    assert layout_for(spec.model_copy(update={"teacher": teacher})) == layout
