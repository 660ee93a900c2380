"""Layouts: every network goes into its layout's names and back; odd files have a reason each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cartl_core.catalog import PUBLISHED_MODELS, model_facts
from cartl_core.catalog.layouts import LAYOUT_NAMES, LAYOUTS, TeacherRefused, recognise
from cartl_core.catalog.layouts.recognise import expected_tensors
from cartl_core.catalog.network_families import refused_methods, why_not
from cartl_core.catalog.network_tensors import FoundTensor
from cartl_core.catalog.networks import layout_of
from cartl_core.errors import SpecError
from cartl_core.spec import ModelSpec
from cartl_core.spec.methods import METHODS
from cartl_core.spec.resources.teacher import NewTeacher, TeacherCheckOrder, ToldArchitecture

Found = dict[str, FoundTensor]
SIDES = {"timm-vit": 224, "timm-swin": 224, "timm-convnext": 224, "imagenet-resnet": 224}


def layouts_of(name: str) -> Iterator[str]:
    return (row.name for row in LAYOUTS.values() if row.network(name) == name)


def file_of(name: str, layout: str, classes: int = 7, channels: int = 3) -> Found:
    side = SIDES.get(model_facts(name).family, 32)
    model = ModelSpec.model_validate({"name": name, "image_size": side, "channels": channels})
    tensors = {tensor.name: tensor for tensor in expected_tensors(model, classes)}
    theirs = LAYOUTS[layout].to_theirs(tensors)
    assert len(set(theirs.values())) == len(tensors)
    return {there: FoundTensor(tensors[ours].dtype, tensors[ours].shape) for ours, there in theirs.items()}


EXAMPLES = [
    *PUBLISHED_MODELS,
    *("wrn-10-1-relu", "wrn-40-2-relu", "dm-wrn-34-20", "dm-wrn-16-4-relu", "resnet18", "resnet50"),
]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_network_is_known_in_its_layout_by_names_and_shapes(name: str, channels: int) -> None:
    layouts = list(layouts_of(name))
    assert layouts
    for layout in layouts:
        found = file_of(name, layout, classes=11, channels=channels)
        side = SIDES.get(model_facts(name).family, 32)
        told = ToldArchitecture(name=name, image_size=side)
        there = recognise(found, layout=layout, architecture=told)
        assert (there.model.name, there.classes, there.model.channels) == (name, 11, channels)
        assert there.model.image_size == side
        ours = [tensor.name for tensor in expected_tensors(there.model, 11)]
        assert list(there.tensors) == ours and set(there.tensors.values()) == set(found)
        row = LAYOUTS[layout]
        assert row.to_ours(ours) == {there: our for our, there in there.tensors.items()}


@pytest.mark.parametrize("name", EXAMPLES)
def test_without_being_told_a_network_of_the_same_tensors_is_found(name: str) -> None:
    for layout in layouts_of(name):
        if LAYOUTS[layout].choose or (
            layout == "torchvision-resnet" and model_facts(name).family == "resnet"
        ):
            continue
        found = file_of(name, layout)
        there = recognise(found)
        assert file_of(there.model.name, there.row.name) == found
        same = name.removesuffix("-relu") if name.startswith("dm-") else name
        assert there.model.name == same or model_facts(name).family in ("imagenet-resnet", "timm-vit")


@pytest.mark.parametrize(
    ("layout", "told"),
    [
        ("timm", "resnet50"),
        ("timm", "timm-resnet50"),
        ("timm-resnet", "resnet50"),
        ("auto", "timm-resnet50"),
        ("torchvision", "resnet50"),
        ("torchvision-resnet", "torchvision-resnet50"),
        ("auto", None),
    ],
)
def test_a_network_may_be_named_as_its_own_library_names_it(layout: str, told: str | None) -> None:
    found = file_of("torchvision-resnet50", "torchvision-resnet")
    architecture = None if told is None else ToldArchitecture(name=told)
    if layout.startswith("torchvision") and told == "resnet50":
        # Ours of that name has a 3x3 stem, and comes under torchvision's names as well.
        with pytest.raises(TeacherRefused, match=r"'conv1.weight' is F32 \[64, 3, 7, 7\], .*\[64, 3, 3, 3\]"):
            recognise(found, layout=layout, architecture=architecture)
        return
    there = recognise(found, layout=layout, architecture=architecture)
    library = "timm" if "timm" in f"{layout}{told}" else "torchvision"
    assert there.model.name == f"{library}-resnet50" and there.model.image_size == 224


def test_what_is_not_told_stays_open_when_an_order_is_written_and_read() -> None:
    told = {"name": "teacher", "size": 1, "architecture": {"name": "resnet50"}}
    order = TeacherCheckOrder(new=NewTeacher.model_validate(told), sha256="0")
    read = TeacherCheckOrder.model_validate_json(order.model_dump_json())
    found = file_of("torchvision-resnet50", "torchvision-resnet")
    there = recognise(found, layout="timm", architecture=read.new.architecture)
    assert (there.model.image_size, there.model.stem_stride) == (224, 1)


def without(name: str) -> Callable[[Found], Found]:
    return lambda found: {key: tensor for key, tensor in found.items() if key != name}


def with_(name: str, *shape: int, dtype: str = "F32") -> Callable[[Found], Found]:
    return lambda found: {**found, name: FoundTensor(dtype, shape)}


def twice(one: str, other: str) -> Callable[[Found], Found]:
    return lambda found: {f"{at}{name}": tensor for at in (one, other) for name, tensor in found.items()}


WRN, RESNET, VIT = "robustbench-wrn", "torchvision-resnet", "timm-vit"
OF: dict[str, str] = {
    WRN: "wrn-10-2-relu",
    RESNET: "torchvision-resnet18",
    VIT: "timm-vit_tiny_patch16_224",
    "robustbench-dm-preact": "dm-preact-resnet18-relu",
    "cifar-resnet": "resnet18",
}

ODD: dict[str, tuple[str, Callable[[Found], Found], dict[str, Any], str, str]] = {
    "nothing": (WRN, lambda found: {}, {}, "layout_unknown", "holds no tensors"),
    "strangers": (
        WRN,
        lambda found: {f"x.{name}": t for name, t in found.items()},
        {},
        "layout_unknown",
        "x.",
    ),
    "an optimiser": (
        WRN,
        lambda found: {f"state.{n}.exp_avg": t for n, t in enumerate(found.values())},
        {},
        "layout_unknown",
        "state.0",
    ),
    "no such layout": (WRN, dict, {"layout": "keras"}, "layout_unknown", "allowed is auto"),
    "another layout": (WRN, dict, {"layout": "timm-vit"}, "layout_unknown", "not those of timm-vit"),
    "no such size": (
        RESNET,
        lambda found: {n: t for n, t in found.items() if not n.startswith("layer4.1")},
        {},
        "layout_unknown",
        "no network of this size",
    ),
    "a network of another layout": (
        WRN,
        dict,
        {"architecture": ToldArchitecture(name="torchvision-resnet18")},
        "layout_unknown",
        "does not come in the layout robustbench-wrn",
    ),
    "no activation": ("robustbench-dm-preact", dict, {}, "layout_ambiguous", "activation"),
    "average beside the model": (WRN, twice("model.", "ema."), {}, "layout_ambiguous", "more than one"),
    "two averages": (
        WRN,
        twice("module.ema_model.", "module.model."),
        {},
        "layout_ambiguous",
        "more than one",
    ),
    "no stem": (WRN, without("conv1.weight"), {}, "tensor_missing", "'conv1.weight'"),
    "no head": (WRN, without("fc.weight"), {}, "tensor_missing", "'fc.weight'"),
    "no bias of the head": (WRN, without("fc.bias"), {}, "tensor_missing", "'fc.bias'"),
    "no statistics": (
        WRN,
        without("block2.layer.0.bn1.running_var"),
        {},
        "tensor_missing",
        "'block2.layer.0.bn1.running_var'",
    ),
    "no shortcut": (RESNET, without("layer2.0.downsample.0.weight"), {}, "tensor_missing", "downsample.0"),
    "no stem of a ResNet": (RESNET, without("conv1.weight"), {}, "tensor_missing", "'conv1.weight'"),
    "no positions": (VIT, without("pos_embed"), {}, "tensor_missing", "'pos_embed'"),
    "one more": (WRN, with_("fc2.weight", 3), {}, "tensor_unknown", "'fc2.weight'"),
    "a bias of a convolution": (WRN, with_("conv1.bias", 16), {}, "tensor_unknown", "'conv1.bias'"),
    "a scale of a layer": (VIT, with_("blocks.0.ls1.gamma", 192), {}, "tensor_unknown", "ls1.gamma"),
    "a name of kilobytes": (WRN, with_("z" * 5000, 3), {}, "tensor_unknown", "zzz"),
    "a stem of 3x3": (RESNET, with_("conv1.weight", 64, 3, 3, 3), {}, "shape_differs", "[64, 3, 7, 7]"),
    "five channels": (WRN, with_("conv1.weight", 16, 5, 3, 3), {}, "shape_differs", "[16, 3, 3, 3]"),
    "a head of three axes": (WRN, with_("fc.weight", 7, 128, 1), {}, "shape_differs", "'fc.weight'"),
    "a head of no outputs": (WRN, with_("fc.weight", 0, 128), {}, "shape_differs", "'fc.weight'"),
    "a head of a million outputs": (WRN, with_("fc.weight", 10**6, 128), {}, "shape_differs", "'fc.weight'"),
    "other classes than told": (WRN, dict, {"classes": 10}, "shape_differs", "[10, 128]"),
    "a wider convolution": (
        WRN,
        with_("block1.layer.0.conv2.weight", 33, 32, 3, 3),
        {},
        "shape_differs",
        "'block1.layer.0.conv2.weight' is F32 [33, 32, 3, 3], expected F32 [32, 32, 3, 3]",
    ),
    "counts as floats": (
        WRN,
        with_("bn1.num_batches_tracked", dtype="F32"),
        {},
        "shape_differs",
        "num_batches_tracked",
    ),
    "weights as counts": (WRN, with_("bn1.weight", 128, dtype="I64"), {}, "shape_differs", "'bn1.weight'"),
    "positions of no square": (VIT, with_("pos_embed", 1, 100, 192), {}, "shape_differs", "'pos_embed'"),
    "positions of a huge image": (VIT, with_("pos_embed", 1, 10**8 + 1, 192), {}, "layout_unknown", "160000"),
    "another input than told": (
        VIT,
        dict,
        {"architecture": ToldArchitecture(name="vit_tiny_patch16_224", image_size=96)},
        "shape_differs",
        "'pos_embed'",
    ),
    "an input that is no multiple": (
        VIT,
        dict,
        {"architecture": ToldArchitecture(name="vit_tiny_patch16_224", image_size=100)},
        "layout_unknown",
        "multiples of 16",
    ),
    "other channels than told": (
        WRN,
        dict,
        {"architecture": ToldArchitecture(name="wrn-10-2-relu", channels=1)},
        "shape_differs",
        "architecture.channels",
    ),
    "a stride of a stem of its own": (
        RESNET,
        dict,
        {"architecture": ToldArchitecture(name="torchvision-resnet18", stem_stride=2)},
        "layout_unknown",
        "stem of its own",
    ),
    "a deeper network than told": (
        WRN,
        dict,
        {"architecture": ToldArchitecture(name="wrn-16-2-relu")},
        "tensor_missing",
        "block1.layer.1",
    ),
}


@pytest.mark.parametrize(("layout", "change", "told", "reason", "said"), ODD.values(), ids=ODD.keys())
def test_an_odd_file_is_refused_with_its_reason(
    layout: str, change: Callable[[Found], Found], told: dict[str, Any], reason: str, said: str
) -> None:
    found = file_of(OF[layout], layout)
    if reason != "layout_ambiguous" and layout != "robustbench-dm-preact":
        assert recognise(found).model.name
    with pytest.raises(TeacherRefused) as refused:
        recognise(change(found), **told)
    assert refused.value.reason == reason and said in refused.value.message
    assert len(refused.value.message) < 500 and refused.value.message.isprintable()


def test_a_prefix_stands_in_the_names_of_an_error() -> None:
    found = {f"module.{name}": tensor for name, tensor in file_of(OF[WRN], WRN).items()}
    with pytest.raises(TeacherRefused, match=r"'module\.bn1\.weight'"):
        recognise(without("module.bn1.weight")(found))


def test_what_a_class_keeps_and_never_uses_is_left_out() -> None:
    found = file_of(OF[WRN], WRN)
    copied = {f"sub_{name}": tensor for name, tensor in found.items() if name.startswith("block1.")}
    assert set(recognise({**found, **copied}).tensors.values()) == set(found)


def test_a_name_that_the_layout_does_not_have_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"blocks\.0\.branch\.conv3"):
        LAYOUTS[WRN].to_theirs(["blocks.0.branch.conv3.weight", "blocks.1.norm.weight", "blocks.2.bias"])


def test_published_networks_are_teachers_with_a_stem_of_their_own() -> None:
    assert ("ours", *LAYOUTS) == LAYOUT_NAMES
    for name in PUBLISHED_MODELS:
        assert model_facts(name).published
        with pytest.raises(SpecError, match="stem of its own"):
            layout_of(ModelSpec(name=name, image_size=224, stem_stride=2), 7)


@pytest.mark.parametrize("name", [*PUBLISHED_MODELS, "wrn-28-4"])
def test_what_needs_convolutions_with_batch_norm_is_refused_in_words_that_name_what_works(name: str) -> None:
    refused = refused_methods(name)
    if model_facts(name).batch_norm:
        assert refused == {} and why_not("evaluate.audit", name) is None
        return
    assert set(refused) == {facts.name for facts in METHODS.values() if facts.nonexpansive}
    assert all("these work: vanilla" in why and name in why for why in refused.values())
