"""Calls to real receivers on the loopback, as friends and as enemies."""

from __future__ import annotations

import datetime
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from jobs.webhooks.address import AllowedHosts, literal_address, parse_hosts
from tests.worker.sinks.receiver import Receiver, receiving, status
from worker.sinks.connection import NOT_PUBLIC, READ_BYTES, TOO_SLOW, UNKNOWN_HOST, call

LOOPBACK = parse_hosts("127.0.0.1, hooks.internal")
LONG, SHORT = 60.0, 0.5
BODY = b'{"a": 1}'


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def ask(url: str, allowed: AllowedHosts = LOOPBACK, seconds: float = LONG) -> Any:
    return call(url, {"X-Test": "1"}, BODY, allowed=allowed, seconds=seconds)


def names(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let the names that are looked up have these addresses, one list a look-up; returns what was asked."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def look_up(host: str, port: int, *more: Any, **options: Any) -> list[Any]:
        if literal_address(host) is not None:
            return real(host, port, *more, **options)
        addresses = answers[min(len(asked), len(answers) - 1)]
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def test_a_call_arrives_whole(receiver: Receiver) -> None:
    assert ask(receiver.url()).status == 204
    (received,) = receiver.calls
    assert (received.path, received.body) == ("/hook?a=b", BODY)
    assert received.headers["X-Test"] == "1"
    assert received.headers["Host"] == f"127.0.0.1:{receiver.port}"


def test_a_redirect_is_an_answer_and_is_not_followed(receiver: Receiver) -> None:
    receiver.answer = lambda handler: status(handler, 307, Location=receiver.url() + "&again")
    assert ask(receiver.url()).status == 307
    assert len(receiver.calls) == 1


def test_what_is_not_public_is_not_called(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither as an address nor behind a name; nothing is told of where it leads."""
    nobody = AllowedHosts()
    for url in (receiver.url(), receiver.url(scheme="https")):
        assert ask(url, nobody).status is None
    names(monkeypatch, ["127.0.0.1"])
    for host in ("hooks.example", "2130706433", "localhost"):
        assert ask(receiver.url(host, "https"), nobody).error == NOT_PUBLIC
    assert receiver.calls == []


def test_of_several_addresses_only_those_that_are_allowed_are_called(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_address = parse_hosts("127.0.0.1, hooks.internal")
    names(monkeypatch, ["127.0.0.2", "127.0.0.1"])
    asked: list[str] = []
    real = httpcore.SyncBackend.connect_tcp

    def connect(backend: Any, host: str, port: int, *more: Any, **options: Any) -> Any:
        asked.append(host)
        return real(backend, host, port, *more, **options)

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect)
    assert ask(receiver.url("hooks.example", "https"), by_address).status is None, "it speaks no TLS"
    assert asked == ["127.0.0.1"]


def test_a_name_that_answers_otherwise_the_next_time_gains_nothing(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is looked up once, and the connection goes to the address that was checked."""
    asked = names(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
    assert ask(receiver.url("hooks.internal")).status == 204
    assert asked == ["hooks.internal"]
    assert receiver.calls[0].headers["Host"] == f"hooks.internal:{receiver.port}"


def test_a_name_that_nobody_knows_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert ask("https://nobody.example/").error == UNKNOWN_HOST


def test_a_receiver_that_does_not_answer_is_left_in_time(receiver: Receiver) -> None:
    receiver.answer = lambda handler: receiver.gone.wait(LONG)
    assert ask(receiver.url(), seconds=SHORT).error == TOO_SLOW


def test_a_receiver_that_drips_is_left_in_time(receiver: Receiver) -> None:
    """Each byte comes soon; the deadline is of the whole call."""

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not receiver.gone.wait(0.02):
            handler.wfile.write(b"x")

    receiver.answer = drip
    assert ask(receiver.url(), seconds=SHORT).error == TOO_SLOW


def test_an_answer_without_end_is_not_read_to_it(receiver: Receiver) -> None:
    sent: list[int] = []

    def flood(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not receiver.gone.is_set():
            sent.append(handler.wfile.write(b"x" * 65_536))

    receiver.answer = flood
    assert ask(receiver.url()).status == 200
    assert sum(sent) < 1000 * READ_BYTES


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nX"]
)
def test_nonsense_is_a_failure(receiver: Receiver, answer: bytes) -> None:
    receiver.answer = lambda handler: handler.wfile.write(answer)
    outcome = ask(receiver.url())
    assert outcome.status is None and outcome.error is not None and not outcome.delivered


def test_a_port_that_nobody_listens_on_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert ask(f"http://127.0.0.1:{port}/").error == "the call has failed (ConnectError)"


def certificate_for(name: str, path: Path) -> str:
    """A file with a certificate that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return str(path)


def test_the_certificate_must_be_of_the_name_not_of_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = certificate_for("hooks.internal", tmp_path / "certificate.pem")
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    names(monkeypatch, ["127.0.0.1"])
    with receiving(certificate) as receiver:
        assert ask(receiver.url("hooks.internal", "https")).status == 204
        assert ask(receiver.url("other.example", "https")).error == "the call has failed (ConnectError)"
        monkeypatch.delenv("SSL_CERT_FILE")
        assert ask(receiver.url("hooks.internal", "https")).error == "the call has failed (ConnectError)"
    assert len(receiver.calls) == 1
