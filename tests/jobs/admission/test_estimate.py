from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from cartl_core.catalog import KNOWN_MODELS, model_facts
from cartl_core.catalog.candidates import CANDIDATES
from cartl_core.nn.build import uninitialised
from cartl_core.planning.diagnostic_table import SHARE_OF_RADII
from cartl_core.planning.estimates.costs import (
    ATTACK_STEP,
    CLASSES,
    SHARE_OF_STEPS,
    macs_of_a_pass,
    size_class,
)
from cartl_core.planning.estimates.rates import (
    FIXED_SECONDS,
    MEASURED_MACS,
    Machine,
    Measurement,
    first_guess,
    summarise,
)
from cartl_core.spec import JobSpec, ModelSpec
from cartl_core.spec.architecture import Architecture
from jobs.admission.estimate import (
    FIRST_GUESS,
    estimate,
    estimate_together,
    estimated,
)
from jobs.admission.image_counts import classes_of, training_images
from jobs.admission.network_size import Size, block_sizes, network_size
from tests.factories import HALF, make_spec
from tests.fixtures.requests import source_of

SHAPES = [(8, 1, 1), (28, 1, 2), (32, 3, 1)]


def counted(model: ModelSpec, classes: int) -> tuple[Size, ...]:
    """The same numbers a block, counted by hooks on the real modules; on the meta device that is free."""
    grey = (0.5,) * model.channels
    network = uninitialised(Architecture(model=model, classes=classes, mean=grey, std=grey)).eval().to("meta")
    macs = 0

    def count(module: nn.Module, _: Any, output: torch.Tensor) -> None:
        nonlocal macs
        weight = module.weight
        assert isinstance(weight, torch.Tensor)
        macs += weight.numel() * (output[0, 0].numel() if output.ndim == 4 else 1)

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    sizes, x = [], torch.zeros(1, model.channels, model.image_size, model.image_size, device="meta")
    for block in (nn.Sequential(network.normalize, network.stem, network.blocks[0]), *network.blocks[1:]):
        macs = 0
        x = block(x)
        sizes.append(Size(macs, sum(parameter.numel() for parameter in block.parameters())))
    return tuple(sizes)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", [*KNOWN_MODELS, "wrn-10-1", "wrn-40-3"])
def test_the_count_without_torch_equals_the_real_networks(name: str, shape: tuple[int, int, int]) -> None:
    image_size, channels, stride = shape
    model = ModelSpec(name=name, image_size=image_size, channels=channels, stem_stride=stride)  # type: ignore[arg-type]
    expected = counted(model, 10)
    assert block_sizes(model, 10) == expected
    assert network_size(model, 10) == sum(expected, Size())


@pytest.mark.parametrize("name", KNOWN_MODELS)
def test_every_block_has_a_size(name: str) -> None:
    model = ModelSpec(name=name)
    blocks = block_sizes(model, 10)
    assert len(blocks) == model_facts(name).blocks
    assert all(block.parameters > 0 for block in blocks)


def test_the_measured_network_is_the_one_that_is_counted() -> None:
    model = ModelSpec(name="wrn-16-2", stem_stride=2, image_size=28, channels=1)
    assert network_size(model, 10).macs == pytest.approx(MEASURED_MACS, rel=0.01)


def spec(**fields: Any) -> JobSpec:
    base = {"dataset": {"name": "fashion_mnist", "classes": [6, 7, 8, 9]}, "freeze_depth": 2}
    return make_spec(base, **fields)


def test_images_are_counted_as_they_are_used() -> None:
    quick = spec()
    assert (classes_of(source_of(quick)), classes_of(quick.dataset)) == (6, 4)
    assert (training_images(source_of(quick)), training_images(quick.dataset)) == (9000, 5400)
    whole = spec(preset="paper")
    assert (training_images(source_of(whole)), training_images(whole.dataset)) == (32_400, 21_600)


def test_a_job_costs_what_its_parts_cost() -> None:
    """By hand, for one arm of the smoke preset on digits classes 0 to 4 and 5 to 9."""
    one = make_spec(HALF, freeze_depth=1, baselines=[])
    teacher_epoch = 360 * (2 * 2 + 2 * 3) + 40 + 32 * 0.6 * 2 * 2
    # Accuracy without an attack is a pass of its own, and an attack begins with one.
    teacher = 2 * teacher_epoch + 100 * (2 + 0.6 * 2 * 5)
    sizes = block_sizes(one.model, CLASSES)
    radii_taken = SHARE_OF_RADII * 4
    trunk = sizes[0].macs / sum(size.macs for size in sizes)
    student_epoch = 270 * (trunk + 3 * (1 - trunk)) + 30 + 30 * 0.6 * 2 * 10
    curve = 20 * (1 + radii_taken * 2 + radii_taken * 2 * 2 * 2)
    corruptions = 20 * 8
    # A line of 16 segments in double precision, forth and back; two passes forth for one back.
    climbed = 2 + 16 * 2 + 0.4 * 10 * 5 + 0.1 * 40 * 2 + 0.6 * 2 * 5 + 5
    checks = 20 * (5 + (3 + 16) * 2 + 0.6 * 10 + 2 * climbed)
    gallery = 20 * (2 + 2 * 4)
    probes = curve + corruptions + checks + gallery
    student = 2 * student_epoch + 100 * (2 + 0.6 * 2 * 5) + probes
    assert estimated(one).forward_passes == pytest.approx(teacher + student)
    assert estimated(one).teachers == 1


def test_what_costs_more_is_estimated_higher() -> None:
    def seconds(**fields: Any) -> float:
        return float(estimate(spec(**fields))["seconds"])

    base = seconds()
    assert 200 < base < 6000
    dearer: tuple[dict[str, Any], ...] = (
        {"pretrain": {"epochs": 10}},
        {"pretrain": {"attack": {"steps": 8}}},
        {"transfer": {"epochs": 24}},
        {"transfer": {"displacement": {}}},
        {"evaluate": {"test_limit": 4000}},
        {"baselines": ("vanilla", "neft")},
        {"baselines": ("adversarial",)},
        {"baselines": ("lwf",)},
        {"model": "wrn-28-4"},
        {"freeze_depth": 1},
        {"preset": "paper"},
    )
    for more in dearer:
        assert seconds(**more) > base, more
    assert seconds(baselines=()) < base
    assert seconds(freeze_depth=7) < base


def test_a_choice_costs_its_candidates_and_one_teacher_each_objective() -> None:
    one = spec(method="vanilla", freeze_depth=6, baselines=())
    both = spec(method="auto", freeze_depth="auto", baselines=())
    fewer = spec(method="auto", freeze_depth=6, baselines=())
    assert both.auto is not None
    assert len(both.auto.candidates) == 3 * len(CANDIDATES)
    costs = [estimated(job) for job in (one, fewer, both)]
    assert [cost.teachers for cost in costs] == [1, 2, 2]
    assert costs[0].span.likely < costs[1].span.likely < costs[2].span.likely
    assert costs[0].disk_bytes < costs[1].disk_bytes < costs[2].disk_bytes
    # Fewer validation images and a shorter attack are cheaper by just that.
    cheap = spec(method="auto", freeze_depth=6, baselines=(), auto={"validation_images": 300})
    passes = 2 + SHARE_OF_STEPS * ATTACK_STEP * 20
    saved = costs[1].forward_passes - estimated(cheap).forward_passes
    assert saved == pytest.approx(len(CANDIDATES) * 300 * passes)


def test_a_linear_probe_takes_its_images_through_the_trunk_once() -> None:
    probe, all_but_head = (
        spec(method=method, freeze_depth=7, baselines=(), transfer=transfer)
        for method, transfer in (("linear_probe", {}), ("vanilla", {"noise_sigma": 0.1}))
    )
    sizes = block_sizes(probe.model, CLASSES)
    trunk = sum(size.macs for size in sizes[:7]) / sum(size.macs for size in sizes)
    saved = estimated(all_but_head).forward_passes - estimated(probe).forward_passes
    assert saved == pytest.approx(5400 * (12 - 1) * trunk)
    assert trunk > 0.99


def test_biases_and_norms_need_no_gradients_of_weights() -> None:
    plain, few = (spec(method=method, freeze_depth=2, baselines=()) for method in ("vanilla", "bitfit"))
    sizes = block_sizes(plain.model, CLASSES)
    tail = sum(size.macs for size in sizes[2:]) / sum(size.macs for size in sizes)
    saved = estimated(plain).forward_passes - estimated(few).forward_passes
    assert saved == pytest.approx(5400 * 12 * tail)


def test_features_are_displaced_once_and_the_tail_learns_from_both() -> None:
    plain, moved = (
        spec(baselines=(), transfer={"displacement": asked}) for asked in (None, {"steps": 4, "copies": 3})
    )
    sizes = block_sizes(plain.model, CLASSES)
    trunk = sum(size.macs for size in sizes[:2]) / sum(size.macs for size in sizes)
    more = 5400 * (12 * (trunk + 3 * (1 - trunk)) + 3 * trunk * (2 * 4 + 2))
    found = estimated(moved).forward_passes - estimated(plain).forward_passes
    assert found == pytest.approx(more)


def test_a_tail_that_says_where_to_costs_a_gradient_of_its_own_a_step() -> None:
    by_trunk, by_tail = (
        spec(baselines=(), transfer={"displacement": {"direction": direction}})
        for direction in ("trunk", "tail")
    )
    sizes = block_sizes(by_trunk.model, CLASSES)
    tail = sum(size.macs for size in sizes[2:]) / sum(size.macs for size in sizes)
    more = estimated(by_tail).forward_passes - estimated(by_trunk).forward_passes
    assert more == pytest.approx(5400 * 12 * ATTACK_STEP * tail)


def test_arms_with_equal_teachers_share_one() -> None:
    assert estimated(spec(baselines=())).teachers == 1
    assert estimated(spec()).teachers == 2
    assert estimated(spec(baselines=("vanilla", "neft", "lwf", "adversarial"))).teachers == 2
    two_depths = ("vanilla", {"method": "cartl", "freeze_depth": 4})
    assert estimated(spec(baselines=two_depths)).teachers == 3


def test_the_answer_is_json_and_says_what_it_stands_on() -> None:
    told = estimate(spec())
    assert set(told) == {
        "seconds",
        "seconds_range",
        "basis",
        "measured_stages",
        "disk_bytes",
        "assumes",
        "teachers",
        "forward_passes",
        "macs",
    }
    assert told["seconds_range"]["likely"] == told["seconds"]
    assert (told["basis"], told["measured_stages"]) == (FIRST_GUESS, 0)
    assert "a first guess for cpu, about 39 billion multiply-adds a second" in told["assumes"]
    assert told["disk_bytes"] > 4 * 4 * 691_386


SMALLEST: dict[str, Any] = {
    "dataset": {"name": "digits", "classes": [5, 6], "train_limit": 10},
    "source": {"name": "digits", "classes": [0, 1], "train_limit": 10},
    "model": {"name": "tiny", "image_size": 8, "stem_stride": 4},
    "preset": "smoke",
    "baselines": (),
}


def test_no_job_is_estimated_at_nothing() -> None:
    smallest = spec(**SMALLEST)
    least = FIXED_SECONDS["start"] + FIXED_SECONDS["publish"]
    assert estimate(smallest)["seconds"] >= least
    assert estimate(smallest)["seconds_range"]["low"] > 0
    assert estimate_together([smallest, smallest])["seconds"] >= 2 * least


def slower(job: JobSpec, factor: float, *kinds: str, threads: int = 1) -> Any:
    """Rates of a machine on which these kinds took so many times the first guess, thrice each."""
    here = Machine("cpu", "a processor", threads, "fp32")
    size = size_class(macs_of_a_pass(job.model))
    seconds = {kind: factor * first_guess("cpu", kind, 1e12, 10.0) for kind in kinds}
    return summarise(Measurement(here, kind, size, 1e12, 10.0, seconds[kind]) for kind in kinds * 3)


def test_an_estimate_follows_what_stages_have_shown() -> None:
    job = spec(baselines=())
    kinds = ("teacher", "student", "clean", "attack-pgd", "start", "export", "publish")
    diagnostics = tuple(f"diagnostic-{name}" for name in job.evaluate.diagnostics)
    known = estimate(job, slower(job, 10.0, *kinds, *diagnostics))
    guessed = estimate(job)
    assert known["seconds"] == pytest.approx(10 * guessed["seconds"], rel=0.01)
    assert known["basis"] == f"measured on {3 * (len(kinds) + len(diagnostics))} stages"
    spread = [told["seconds_range"]["high"] / told["seconds_range"]["low"] for told in (known, guessed)]
    assert spread[0] < spread[1], "what was measured is known better"
    part = estimate(job, slower(job, 10.0, "teacher"))
    assert guessed["seconds"] < part["seconds"] < known["seconds"]
    assert part["basis"] == "measured on 3 stages"
    assert "carried over to others" in part["assumes"] and "student" in part["assumes"]


def test_a_chain_of_stages_has_one_of_two_threads() -> None:
    """A teacher takes nearly all the time. It alone computes then, at half of what both threads would do; of
    two teachers each has a thread."""
    alone, other = spec(**SMALLEST), spec(**SMALLEST, seed=1)
    kinds = ("student", "clean", "attack-pgd", *(f"diagnostic-{name}" for name in alone.evaluate.diagnostics))

    def seconds(threads: int, *jobs: JobSpec) -> float:
        rates = slower(alone, 1.0, *kinds, threads=threads) + slower(alone, 1e4, "teacher", threads=threads)
        low, likely, high = estimate_together(jobs, rates)["seconds_range"].values()
        assert low < likely < high
        return float(likely)

    assert seconds(2, alone) == pytest.approx(2 * seconds(1, alone), rel=0.05)
    assert seconds(2, alone, other) == pytest.approx(seconds(1, alone, other), rel=0.05)
    assert seconds(2, alone, other) == pytest.approx(seconds(2, alone), rel=0.05)
    large = alone.model_copy(update={"model": ModelSpec(name="wrn-28-10", image_size=32, stem_stride=1)})
    assert seconds(2, large) == seconds(1, large), "a large network uses both threads"


def test_a_job_for_another_device_is_not_estimated_by_this_one() -> None:
    on_gpu = spec(baselines=(), device="cuda")
    assert estimate(on_gpu, slower(on_gpu, 10.0, "teacher")) == estimate(on_gpu)
    assert estimate(on_gpu)["seconds"] < estimate(spec(baselines=()))["seconds"]
