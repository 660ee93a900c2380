"""`cartl datasets` and `cartl teachers`: what is sent, what is waited for, what is shown."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import cartl.adding
from cartl.content import content_of, name_for
from cartl.http.problems import NotUsable
from cartl.main import app
from tests.factories import found_dataset, found_teacher

ID = "0199f3a2c5d07c3e8a51b6f4e2d90c77"
READY = {"id": ID, "name": "flowers", "state": "ready", "origin": "upload"} | found_dataset().model_dump(
    mode="json"
)
VERIFIED = {
    "id": ID,
    "name": "strong",
    "state": "verified",
    "origin": "upload",
    "licence": "MIT",
} | found_teacher(
    verification={
        "dataset": "cifar10",
        "n": 1000,
        "clean": {"value": 0.9, "low": 0.88, "high": 0.92},
        "robust": {"value": 0.5, "low": 0.47, "high": 0.53},
        "attack": "pgd20 linf 8/255",
    }
).model_dump(mode="json")


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cartl.adding, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(cartl.adding, "PAUSE_SECONDS", 0.0)


def answering(service: Any, answer: Any, after: dict[str, Any]) -> None:
    """Announced, sent, twice ``checking``, then ``after``."""
    looks = iter(["checking", "checking"])

    def reply(asked: Any) -> Any:
        if asked.method == "GET":
            return answer(200, after | {"state": next(looks, after["state"])})
        return answer({"POST": 201, "PUT": 202}[asked.method], {"id": ID, "state": "checking"})

    service.reply = reply


def test_a_folder_is_sent_as_an_archive_and_what_was_found_is_shown(
    service: Any, answer: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "My Flowers"
    for name in ("rose/1.png", "tulip/2.png", ".git/x", "rose/.hidden", "rose/a.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    answering(service, answer, READY)
    result = run(
        "datasets", "add", str(folder), "--licence", "MIT", "--test-fraction", "0.3", "--url", service.url
    )
    assert result.exit_code == 0, result.output
    posted, sent, *_ = service.asked
    size = posted.body.pop("size")
    assert posted.body == {"name": "my-flowers", "licence": "MIT", "test_fraction": 0.3}
    assert sent.path == f"/datasets/{ID}/content" and sent.headers["Content-Length"] == str(size) == str(
        len(sent.body)
    )
    with tarfile.open(fileobj=io.BytesIO(sent.body)) as tar:
        assert tar.getnames() == ["rose/1.png", "tulip/2.png"]
    assert "not sent" in result.output
    for told in (
        "flowers",
        "ready",
        "cat",
        "dog",
        "160",
        "40",
        "no_image",
        "a.txt",
        "train_eps",
        "201 files",
    ):
        assert told in result.output, told


def test_a_teacher_is_announced_as_it_was_typed(service: Any, answer: Any, tmp_path: Path) -> None:
    file = tmp_path / "Strong.safetensors"
    file.write_bytes(b"weights")
    answering(service, answer, VERIFIED)
    result = run(
        *("teachers", "add", str(file), "--mean", "0.5", "0.4", "0.3", "--std", "0.25", "0.25", "0.25"),
        *("--layout", "torchvision_resnet", "--norm", "linf", "--eps", "0.03", "--verify", "cifar10"),
        *(
            "--images",
            "500",
            "--clean",
            "0.9",
            "--classes",
            "10",
            "--model",
            "resnet18",
            "--url",
            service.url,
        ),
    )
    assert result.exit_code == 0, result.output
    assert service.asked[0].body == {
        "name": "strong",
        "size": 7,
        "layout": "torchvision_resnet",
        "architecture": {"name": "resnet18"},
        "normalisation": {"mean": [0.5, 0.4, 0.3], "std": [0.25, 0.25, 0.25]},
        "classes": 10,
        "trained_at": {"norm": "linf", "eps": 0.03},
        "published": {"clean": 0.9},
        "verify": {"dataset": "cifar10", "images": 500},
    }
    assert service.asked[1].body == b"weights"
    for told in (
        "verified",
        "layout: ours",
        "stem",
        "vanilla",
        "not cartl",
        "90.0%",
        "47.0% to 53.0%",
        "pgd20",
    ):
        assert told in result.output, told


@pytest.mark.parametrize(("typed", "eps"), [("8/255", 8 / 255), ("0.5", 0.5), ("4/255", 4 / 255), ("1", 1.0)])
def test_a_radius_is_a_number_or_a_share(
    service: Any, answer: Any, tmp_path: Path, typed: str, eps: float
) -> None:
    file = tmp_path / "strong.safetensors"
    file.write_bytes(b"weights")
    answering(service, answer, VERIFIED)
    result = run(*("teachers", "add", str(file), "--norm", "linf", "--eps", typed, "--url", service.url))
    assert result.exit_code == 0, result.output
    assert service.asked[0].body["trained_at"] == {"norm": "linf", "eps": eps}


@pytest.mark.parametrize("typed", ["", "/", "8/", "8/0", "/255", "8/255/2", "nan", "inf", "8/nan", "eight"])
def test_what_is_no_radius_is_said_before_anything_is_asked(service: Any, tmp_path: Path, typed: str) -> None:
    file = tmp_path / "strong.safetensors"
    file.write_bytes(b"weights")
    result = run("teachers", "add", str(file), "--norm", "linf", "--eps", typed, "--url", service.url)
    assert result.exit_code == 2 and "--eps" in result.output
    assert not service.asked


def test_no_normalisation_is_said_by_its_name(service: Any, answer: Any, tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"w")
    answering(service, answer, VERIFIED)
    command = ("teachers", "add", str(tmp_path / "a.safetensors"), "--url", service.url)
    assert run(*command, "--normalisation", "none").exit_code == 0
    assert service.asked[0].body == {"name": "a", "size": 1, "normalisation": "none"}
    both = run(*command, "--normalisation", "none", "--mean", "0.5")
    assert both.exit_code == 2 and "--mean" in both.output
    assert run(*command, "--mean", "1,2,3,4", "--std", "1").exit_code == 2


def test_what_was_rejected_ends_with_1_and_says_why(service: Any, answer: Any, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK")
    rejected = {
        "id": ID,
        "name": "a",
        "state": "rejected",
        "reason": "archive_unsafe",
        "message": "a link leads out",
    }
    answering(service, answer, rejected)
    result = run("datasets", "add", str(tmp_path / "a.zip"), "--url", service.url)
    assert result.exit_code == 1
    assert "archive_unsafe" in result.output and "a link leads out" in result.output


def test_nothing_is_waited_for_where_that_was_asked(service: Any, answer: Any, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK")
    answering(service, answer, READY)
    result = run("datasets", "add", str(tmp_path / "a.zip"), "--no-wait", "--url", service.url)
    assert (result.exit_code, result.stdout) == (0, f"{ID}\n")
    assert [asked.method for asked in service.asked] == ["POST", "PUT"]


def test_json_is_the_answer_alone(service: Any, answer: Any, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK")
    answering(service, answer, READY)
    result = run("datasets", "add", str(tmp_path / "a.zip"), "--json", "--url", service.url)
    assert json.loads(result.stdout) == READY


def test_a_folder_of_the_server_is_announced_without_bytes(service: Any, answer: Any) -> None:
    answering(service, answer, READY | {"origin": "root"})
    assert run("datasets", "add", "--root", "/srv/Scans", "--url", service.url).exit_code == 0
    assert service.asked[0].body == {"name": "scans", "root": "/srv/Scans"}
    assert [asked.method for asked in service.asked] == ["POST", "GET", "GET", "GET"]
    assert run("datasets", "add", "--url", service.url).exit_code == 2


def test_content_that_broke_off_is_sent_again(service: Any, answer: Any, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK")
    answering(service, answer, READY)
    well, broken = service.reply, iter([True, True])

    def reply(asked: Any) -> Any:
        if asked.method == "PUT" and next(broken, False):
            return answer(202, {"id": ID}, cut_off=True)
        return well(asked)

    service.reply = reply
    assert run("datasets", "add", str(tmp_path / "a.zip"), "--url", service.url).exit_code == 0
    assert [asked.body for asked in service.asked if asked.method == "PUT"] == [b"PK"] * 3


def test_content_whose_answer_was_lost_is_looked_at(service: Any, answer: Any, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK")
    answering(service, answer, READY)
    well, puts = service.reply, iter([answer(202, {"id": ID}, cut_off=True)])

    def reply(asked: Any) -> Any:
        if asked.method == "PUT":
            return next(puts, answer(409, {"title": "The state does not allow that"}))
        return well(asked)

    service.reply = reply
    assert run("datasets", "add", str(tmp_path / "a.zip"), "--url", service.url).exit_code == 0


def test_lists_show_deletes_and_shares(service: Any, answer: Any) -> None:
    pages = iter([{"data": [READY], "next_cursor": "more"}, {"data": [READY | {"name": "second"}]}])
    service.reply = lambda asked: answer(200, next(pages))
    listed = run("datasets", "list", "--url", service.url)
    assert listed.exit_code == 0 and "flowers" in listed.output and "second" in listed.output
    assert [asked.path for asked in service.asked] == ["/datasets", "/datasets?cursor=more"]
    service.reply = lambda asked: answer(200, VERIFIED)
    assert "strong" in run("teachers", "show", "strong", "--url", service.url).output
    assert json.loads(run("teachers", "show", "strong", "--json", "--url", service.url).output) == VERIFIED
    service.reply = lambda asked: answer(204, "")
    service.asked.clear()
    for command in (
        ("teachers", "delete", ID, "--yes"),
        ("teachers", "share", ID, "bob"),
        ("datasets", "share", ID, "bob", "--stop"),
    ):
        assert run(*command, "--url", service.url).exit_code == 0
    assert [(asked.method, asked.path) for asked in service.asked] == [
        ("DELETE", f"/teachers/{ID}"),
        ("PUT", f"/teachers/{ID}/shares/bob"),
        ("DELETE", f"/datasets/{ID}/shares/bob"),
    ]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Flowers.tar.gz", "flowers"),
        ("WRN 28-10 (linf).safetensors", "wrn-28-10-linf"),
        ("_x.npz", "x"),
        ("a" * 100, "a" * 64),
    ],
)
def test_names_are_made_of_files(file: str, name: str) -> None:
    assert name_for(Path(file)) == name


def test_what_makes_no_name_or_no_content_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotUsable, match="--name"):
        name_for(Path("---"))
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    for source, why in (("empty", "is empty"), ("folder", "no images"), ("missing", "no file or folder")):
        with pytest.raises(NotUsable, match=why):
            content_of(tmp_path / source)
