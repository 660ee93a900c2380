"""`cartl sign --weights` and `cartl verify --weights`: what they write and read is model-signing's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner as Click
from cryptography.hazmat.primitives.asymmetric import ec
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
from cartl.signing import keys as operators_keys
from cartl.signing.envelope import SignatureInvalid
from cartl.signing.weights import check_weights, sign_weights
from tests.cartl.reports_on_disk import outcome, transfer

CURVES = {"operator": ec.SECP256R1(), "stranger": ec.SECP384R1(), "third": ec.SECP521R1()}
Keys = dict[str, tuple[Path, Path]]


def written(folder: Path, name: str, private: Any) -> tuple[Path, Path]:
    """A private and a public key in PEM."""
    parts = (folder / f"{name}.pem", folder / f"{name}.pub.pem")
    parts[0].write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    parts[1].write_bytes(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return parts


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    folder = tmp_path_factory.mktemp("keys")
    found = {name: written(folder, name, ec.generate_private_key(curve)) for name, curve in CURVES.items()}
    return {**found, "edwards": written(folder, "edwards", Ed25519PrivateKey.generate())}


def sign(folder: Path, key: Path) -> Any:
    return CliRunner().invoke(app, ["sign", str(folder), "--key", str(key), "--weights"])


@pytest.fixture
def attested(tmp_path: Path, keys: Keys) -> Path:
    transfer(tmp_path, 70)
    (tmp_path / "student.safetensors").write_bytes(b"weights")
    (tmp_path / "student.onnx").write_bytes(b"the same, exported")
    done = sign(tmp_path, keys["operator"][0])
    assert done.exit_code == 0, done.output
    return tmp_path


def by_model_signing(weights: Path, key: Path) -> int:
    """The exit code of model-signing's own command, which knows nothing of us."""
    from model_signing._cli import main

    options = ["--signature", f"{weights}.sig", "--public_key", str(key)]
    return int(Click().invoke(main, ["verify", "key", str(weights), *options]).exit_code)


def test_weights_are_verified_by_the_operators_key_here_and_by_model_signing(
    attested: Path, keys: Keys
) -> None:
    public = keys["operator"][1]
    code, said = outcome(attested, "--key", str(public), "--weights")
    assert code == 0 and "weights: as they were signed: student.onnx, student.safetensors" in said
    # The statement has the signatures of the weights among its subjects.
    assert "signature: 7 files are as they were signed" in said
    for name in ("student.safetensors", "student.onnx"):
        assert by_model_signing(attested / name, public) == 0
        assert by_model_signing(attested / name, keys["stranger"][1]) == 1
    assert not (attested / "outcomes-student.safetensors.sig").exists(), "outcomes are no weights"


def test_other_weights_and_other_keys_are_not_accepted(attested: Path, keys: Keys) -> None:
    with pytest.raises(SignatureInvalid, match=r"student\.onnx\.sig is not signed"):
        check_weights(attested, keys["stranger"][1])
    weights = attested / "student.safetensors"
    weights.write_bytes(b"weightz")
    assert by_model_signing(weights, keys["operator"][1]) == 1
    code, said = outcome(attested, "--key", str(keys["operator"][1]), "--weights")
    assert code == 1 and "weights: student.safetensors is not the file that was signed" in said
    weights.write_bytes(b"weights")
    shutil.copyfile(attested / "student.onnx.sig", attested / "student.safetensors.sig")
    with pytest.raises(SignatureInvalid, match=r"student\.safetensors is not the file"):
        check_weights(attested, keys["operator"][1])
    (attested / "student.safetensors.sig").unlink()
    code, said = outcome(attested, "--key", str(keys["operator"][1]), "--weights")
    assert code == 2 and "nothing here was signed" in said


def test_all_three_curves_sign_report_and_weights(attested: Path, keys: Keys) -> None:
    for private, public in (keys["stranger"], keys["third"]):
        assert sign(attested, private).exit_code == 0
        assert outcome(attested, "--key", str(public), "--weights")[0] == 0


@pytest.mark.parametrize(
    "content",
    [
        b"{}",
        b"[]",
        b"x",
        b'{"mediaType": "x", "verificationMaterial": 3, "dsseEnvelope": {"signatures": [1]}}',
        b'{"mediaType": "x", "verificationMaterial": {"publicKey": {}}, "dsseEnvelope": {}}',
        b"[" * 10_000,
    ],
)
def test_what_is_no_signature_is_refused(attested: Path, keys: Keys, content: bytes) -> None:
    (attested / "student.onnx.sig").write_bytes(content)
    with pytest.raises(NotUsable, match=r"is no (signature of weights|signed envelope)|another version"):
        check_weights(attested, keys["operator"][1])


def test_what_model_signing_signs_is_verified_here(tmp_path: Path, keys: Keys) -> None:
    from model_signing.signing import Config

    weights, (private, public) = tmp_path / "student.safetensors", keys["third"]
    weights.write_bytes(b"weights")
    Config().use_elliptic_key_signer(private_key=private).sign(weights, f"{weights}.sig")
    assert check_weights(tmp_path, public) == ("student.safetensors",)
    weights.write_bytes(b"weightz")
    with pytest.raises(SignatureInvalid, match="is not the file that was signed"):
        check_weights(tmp_path, public)


def test_a_signature_of_a_folder_or_by_other_hashes_is_not_taken_for_one(tmp_path: Path, keys: Keys) -> None:
    from model_signing import hashing
    from model_signing.signing import Config

    (tmp_path / "folder").mkdir()
    weights, (private, public) = tmp_path / "folder/student.safetensors", keys["operator"]
    weights.write_bytes(b"weights")
    signer = Config().use_elliptic_key_signer(private_key=private)
    signer.sign(weights.parent, f"{weights}.sig")
    with pytest.raises(SignatureInvalid, match="is not of one file"):
        check_weights(weights.parent, public)
    blake = hashing.Config().use_file_serialization(hashing_algorithm="blake3")
    signer.set_hashing_config(blake).sign(weights, f"{weights}.sig")
    with pytest.raises(SignatureInvalid, match="is not of one file"):
        check_weights(weights.parent, public)


@pytest.mark.parametrize(
    "change",
    [
        {"verificationMaterial": {"publicKey": {"hint": "0" * 64}, "tlogEntries": []}},
        {"dsseEnvelope": {"payload": "e30=", "payloadType": "x", "signatures": [{"sig": "AAAA"}]}},
    ],
)
def test_a_signature_that_was_changed_is_not_accepted(attested: Path, keys: Keys, change: Any) -> None:
    path = attested / "student.onnx.sig"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(SignatureInvalid):
        check_weights(attested, keys["operator"][1])


def test_what_cannot_be_signed_is_refused_with_what_to_do(tmp_path: Path, keys: Keys) -> None:
    transfer(tmp_path, 70)
    with pytest.raises(NotUsable, match="has no weights of a student; download them"):
        sign_weights(tmp_path, keys["operator"][0])
    (tmp_path / "student.pt2").write_bytes(b"weights")
    for key, why in (
        (keys["edwards"][0], r"P-256, P-384 and P-521.*openssl genpkey -algorithm EC"),
        (keys["operator"][1], "no private key"),
        (tmp_path / "nowhere.pem", "cannot be read"),
    ):
        with pytest.raises(NotUsable, match=why):
            sign_weights(tmp_path, key)
    with pytest.raises(NotUsable, match="no public key"):
        check_weights(tmp_path, keys["operator"][0])
    assert not (tmp_path / "student.pt2.sig").exists()
    done = CliRunner().invoke(app, ["verify", str(tmp_path), "--weights"])
    assert done.exit_code == 2 and "--weights needs --key" in done.output


def test_without_packages_it_says_what_to_install(
    tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operators_keys, "find_spec", lambda name: None)
    for act, key in zip((sign_weights, check_weights), keys["operator"], strict=True):
        with pytest.raises(NotUsable, match=r"pip install 'cartl\[signing\]'"):
            act(tmp_path, key)
