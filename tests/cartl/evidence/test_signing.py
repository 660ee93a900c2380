"""`cartl sign`, and `cartl verify --key` of what was signed: by whom, and of which files."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from typer.testing import CliRunner

from cartl.http.problems import NotUsable
from cartl.main import app
from cartl.signing.attestation import FILE
from tests.cartl.reports_on_disk import outcome, rewrite, transfer

Keys = dict[str, tuple[Path, Path]]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """By name, a private and a public key in PEM."""
    folder, found = tmp_path_factory.mktemp("keys"), {}
    for name in ("operator", "stranger"):
        private = Ed25519PrivateKey.generate()
        parts = (folder / f"{name}.pem", folder / f"{name}.pub.pem")
        parts[0].write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        parts[1].write_bytes(
            private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )
        found[name] = parts
    return found


def signed(folder: Path, key: Path, *options: str) -> None:
    done = CliRunner().invoke(app, ["sign", str(folder), "--key", str(key), *options])
    assert done.exit_code == 0, done.output


@pytest.fixture
def attested(tmp_path: Path, keys: Keys) -> Path:
    transfer(tmp_path, 70)
    (tmp_path / "student.safetensors").write_bytes(b"weights")
    signed(tmp_path, keys["operator"][0], "--image", "e" * 64)
    return tmp_path


def test_a_signed_report_is_verified_by_its_operators_key(attested: Path, keys: Keys) -> None:
    code, said = outcome(attested, "--key", str(keys["operator"][1]))
    assert code == 0 and "signature: 4 files are as they were signed" in said
    (attested / "student.safetensors").unlink()
    code, said = outcome(attested, "--key", str(keys["operator"][1]))
    assert code == 0 and "3 files are as they were signed; not here: student.safetensors" in said


def test_the_statement_is_in_totos_and_says_what_came_of_each_criterion(attested: Path) -> None:
    envelope = json.loads((attested / FILE).read_text())
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    stated = json.loads(base64.b64decode(envelope["payload"]))
    assert stated["_type"] == "https://in-toto.io/Statement/v1"
    assert stated["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    weights = {"name": "student.safetensors", "digest": {"sha256": hashlib.sha256(b"weights").hexdigest()}}
    assert weights in stated["subject"]
    predicate = stated["predicate"]
    assert (predicate["result"], predicate["failedTests"]) == ("PASSED", [])
    assert predicate["passedTests"] == ["robust_accuracy", "kept_against_plain"]
    told = {one["name"]: one for one in predicate["configuration"]}
    assert told["container image"]["digest"] == {"sha256": "e" * 64}
    assert told["images of the target"]["digest"] == {"sha256": "f" * 64}
    assert "specification" in told and told["cartl"]["uri"].startswith("pkg:pypi/cartl@")


def test_the_statement_names_the_commit_that_computed_and_not_the_one_that_signs(
    tmp_path: Path, keys: Keys
) -> None:
    transfer(tmp_path, 70)
    commits = "a" * 40, "b" * 40

    def by_commits(report: Any) -> None:
        report["runtime"] |= {"commit": commits[0], "tree_changed": True, "image": "d" * 64}
        report["student"]["origin"] |= {"made_by": "another_job", "commit": commits[1]}

    rewrite(tmp_path, by_commits)
    operator = str(keys["operator"][0])
    done = CliRunner().invoke(app, ["sign", str(tmp_path), "--key", operator, "--image", "e" * 64])
    assert isinstance(done.exception, NotUsable) and f"by the image {'d' * 64}" in str(done.exception)
    signed(tmp_path, keys["operator"][0])
    stated = json.loads(base64.b64decode(json.loads((tmp_path / FILE).read_text())["payload"]))
    told = {one["name"]: one for one in stated["predicate"]["configuration"]}
    assert told["cartl"]["digest"] == {"gitCommit": commits[0]}
    assert told["cartl"]["annotations"] == {"tree": "changed"}
    assert told["cartl, of networks that were made before"]["digest"] == {"gitCommit": commits[1]}
    assert told["container image"]["digest"] == {"sha256": "d" * 64}


def test_another_key_and_other_files_are_not_accepted(attested: Path, keys: Keys) -> None:
    key = str(keys["operator"][1])
    code, said = outcome(attested, "--key", str(keys["stranger"][1]))
    assert code == 1 and "is not signed with this key" in said
    (attested / "student.safetensors").write_bytes(b"other weights")
    code, said = outcome(attested, "--key", key)
    assert code == 1 and "student.safetensors is not the file that was signed" in said
    envelope = json.loads((attested / FILE).read_text())
    payload = base64.b64decode(envelope["payload"]).replace(b"PASSED", b"FAILED")
    envelope["payload"] = base64.b64encode(payload).decode()
    (attested / FILE).write_text(json.dumps(envelope))
    code, said = outcome(attested, "--key", key)
    assert code == 1 and "is not signed with this key" in said
    (attested / FILE).unlink()
    code, said = outcome(attested, "--key", key)
    assert code == 2 and "nothing here was signed" in said


def test_a_report_that_agrees_with_changed_outcomes_is_not_the_signed_one(
    attested: Path, keys: Keys, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whoever writes both can make them agree; the signature is of the others."""
    forged = tmp_path_factory.mktemp("forged")
    transfer(forged, 60)
    shutil.copytree(forged, attested, dirs_exist_ok=True)
    assert outcome(attested)[0] == 0
    code, said = outcome(attested, "--key", str(keys["operator"][1]))
    assert code == 1 and "is not the file that was signed" in said


def test_what_cannot_be_signed_is_refused(tmp_path: Path, keys: Keys) -> None:
    transfer(tmp_path, 70)
    for key, why in ((keys["operator"][1], "no private key"), (tmp_path / "none.pem", "cannot be read")):
        done = CliRunner().invoke(app, ["sign", str(tmp_path), "--key", str(key)])
        assert isinstance(done.exception, NotUsable) and why in str(done.exception)
    operator = str(keys["operator"][0])
    done = CliRunner().invoke(app, ["sign", str(tmp_path), "--key", operator, "--image", "sha256:1"])
    assert isinstance(done.exception, NotUsable)
    rewrite(tmp_path, lambda written: written["student"]["figures"].update(n=99))
    done = CliRunner().invoke(app, ["sign", str(tmp_path), "--key", operator])
    assert done.exit_code == 1 and "differs: student.figures.n" in done.output
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize("content", ["{}", "[]", '{"payload": 3, "payloadType": "", "signatures": []}', "x"])
def test_what_is_no_envelope_is_refused(tmp_path: Path, keys: Keys, content: str) -> None:
    transfer(tmp_path, 70)
    (tmp_path / FILE).write_text(content)
    code, said = outcome(tmp_path, "--key", str(keys["operator"][1]))
    assert code == 2 and "is no signed envelope" in said
