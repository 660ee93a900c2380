"""In which precision a run's attacks begin: chosen once by rates, recorded, taken over, and told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from cartl_core.__main__ import main
from cartl_core.catalog.low_precision import LEAST_RATE, LEAST_STEPS
from cartl_core.nn.files import save_network
from cartl_core.run import attack_precision
from cartl_core.run import runtime as machine
from cartl_core.run.attack_precision import Measure, PassSeconds, choose, pass_seconds
from cartl_core.spec import JobSpec, Runtime
from tests.factories import make_runtime, make_spec
from tests.golden.fixed_network import fixed

LONG = {"label": "pgd100", "eps": 0.2, "step": 0.02, "steps": LEAST_STEPS}


def spec(attack: dict[str, Any] = LONG, **changes: Any) -> JobSpec:
    return make_spec(evaluate={"attacks": [attack], "source_attacks": []}, **changes)


def rate(times: float) -> Measure:
    """As if bf16 were so many times as fast."""
    return lambda spec, runtime: PassSeconds(fp32=times, bf16=1.0)


def nobody(spec: object, runtime: object) -> PassSeconds:
    raise AssertionError("nothing should be measured")


@pytest.mark.parametrize(
    ("times", "begins"), [(0.1, "fp32"), (LEAST_RATE - 0.01, "fp32"), (LEAST_RATE, "bf16"), (4.0, "bf16")]
)
def test_attacks_begin_in_bf16_where_it_is_fast_enough(times: float, begins: str) -> None:
    before = make_runtime()
    assert choose(spec(), before, measure=rate(times)) == before.model_copy(
        update={"attack_precision": begins}
    )


@pytest.mark.parametrize(
    ("job", "asked", "begins"),
    [
        (spec(LONG | {"steps": LEAST_STEPS - 1}), "auto", "fp32"),
        (spec(LONG | {"steps": LEAST_STEPS - 1}), "bf16", "fp32"),
        (spec(precision="fp32"), "auto", "fp32"),
        (spec(), "fp32", "fp32"),
        (spec(), "bf16", "bf16"),
    ],
    ids=["no long attack", "no long attack, bf16", "a job in fp32", "fp32 asked for", "bf16 asked for"],
)
def test_nothing_is_measured_where_that_decides(job: JobSpec, asked: Any, begins: str) -> None:
    assert choose(job, make_runtime(), asked=asked, measure=nobody).attack_precision == begins


def test_hardware_without_bf16_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attack_precision, "pass_seconds", nobody)
    monkeypatch.setattr(attack_precision, "multiplies_bf16", lambda device: False)
    assert choose(spec(), make_runtime()).attack_precision == "fp32"
    monkeypatch.setattr(attack_precision, "multiplies_bf16", lambda device: True)
    monkeypatch.setattr(attack_precision, "pass_seconds", rate(3.0))
    assert choose(spec(), make_runtime()).attack_precision == "bf16"


def test_a_network_that_bf16_cannot_compute_is_attacked_in_fp32() -> None:
    def fails(spec: object, runtime: object) -> PassSeconds:
        raise RuntimeError("\"a layer\" not implemented for 'BFloat16'")

    assert choose(spec(), make_runtime(), measure=fails).attack_precision == "fp32"


def test_the_measurement_leaves_threads_and_random_numbers_alone() -> None:
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    found = pass_seconds(make_spec(), make_runtime(threads=2))
    assert found.fp32 > 0 and found.bf16 > 0 and found.rate == found.fp32 / found.bf16
    assert torch.equal(torch.get_rng_state(), state) and torch.get_num_threads() == threads


def test_a_resumed_run_takes_over_what_was_recorded_on_its_device() -> None:
    recorded = make_runtime(attack_precision="bf16")
    assert machine.settle(recorded, make_runtime()) == (recorded, ())
    elsewhere = make_runtime(device_name="another processor")
    runtime, changed = machine.settle(recorded, elsewhere)
    assert (runtime.attack_precision, changed) == ("fp32", ("device_name", "attack_precision"))


def test_a_runtime_of_an_earlier_version_is_in_fp32() -> None:
    stored = make_runtime().model_dump(mode="json")
    del stored["attack_precision"]
    assert Runtime.model_validate(stored) == make_runtime()


def test_a_run_says_it_and_goes_on_with_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = tmp_path / "network.safetensors"
    save_network(network, fixed())
    job = {
        "kind": "evaluate",
        "dataset": {"name": "digits", "classes": [5, 6, 7, 8, 9]},
        "network": {},
        "preset": "smoke",
        "evaluate": {"attacks": [LONG], "test_limit": 10, "batch_size": 10, "curve": None, "checks": None},
    }
    (tmp_path / "spec.json").write_text(json.dumps(job))

    def run(out: str, *more: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        given = ["run", str(tmp_path / "spec.json"), "--network", str(network), "--out", str(tmp_path / out)]
        given += ["--data-root", str(tmp_path / "data"), "--stages", str(tmp_path / "stages")]
        assert main([*given, "--progress", "jsonl", "--threads", "1", *more]) == 0
        events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return events, json.loads((tmp_path / out / "report.json").read_text())

    events, report = run("one", "--attack-precision", "bf16")
    assert events[0]["runtime"]["attack_precision"] == "bf16"
    (attack,) = report["student"]["figures"]["attacks"]
    assert attack["begun_in"] == "bf16"
    assert [event["result"] for event in events if event["type"] == "attack_finished"] == [attack]
    page, text = ((tmp_path / "one" / f"report.{ending}").read_text() for ending in ("html", "md"))
    for face in (page, text):
        assert "begun in bf16 and finished in fp32" in face
        assert "PGD of 100 steps or more begun in bf16" in face

    (tmp_path / "runtime.json").write_text(json.dumps(events[0]["runtime"]))
    resumed, again = run("two", "--runtime", str(tmp_path / "runtime.json"), "--attack-precision", "fp32")
    assert resumed[0]["runtime"] == events[0]["runtime"], "what was recorded stays"
    assert not [event for event in resumed if event["type"] == "stage_started"]
    assert again["student"]["figures"] == report["student"]["figures"]

    afresh, plain = run("three", "--attack-precision", "fp32")
    assert afresh[0]["runtime"]["attack_precision"] == "fp32"
    started = [event["label"] for event in afresh if event["type"] == "stage_started"]
    assert len(started) == 1 and started[0].startswith("attack pgd100"), "other stages do not hang on it"
    assert plain["student"]["figures"]["attacks"][0]["begun_in"] == "fp32"
