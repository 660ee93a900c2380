"""Who is asking, and may they: by an API key with a role, or a browser's session; without keys, this machine.

A service without a single key is **open**: it answers to this machine alone, as the owner ``local``, and
checks ``Host`` and ``Origin`` so that no web page can speak for the person who has it open. The first key
ends that for good, also when it is revoked later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import Request
from sqlalchemy import Row, exists, select
from sqlalchemy.orm import Session

from api.http.addresses import is_loopback
from api.http.cookies import demand_csrf, session_token
from api.http.problems import Problem
from api.http.proxies import came_through_a_proxy, comes_from_another_site, host_of
from jobs.settings import Settings
from jobs.store.rights.audit import Actor
from jobs.store.rights.keys import LOCAL_OWNER, ROLES, Role, any_key, verify
from jobs.store.rights.watchers import Watcher
from jobs.store.rights.web_sessions import key_of_session
from jobs.tables import ApiKey


class PublicWithoutKeys(Exception):
    """The service would be open to the network without a single API key.

    Make the first one with `python -m jobs keys create --owner NAME`, or bind to 127.0.0.1.
    """

    def __str__(self) -> str:
        return " ".join((type(self).__doc__ or "").split())


@dataclass(frozen=True)
class Caller:
    """Who is asking, and what they may do."""

    owner: str
    role: Role
    key_id: str | None = None
    address: str | None = None
    """Where they ask from, by the rule of trusted proxies."""
    use_is_due: bool = False
    """The last use of their key was not noted within the last minute."""

    @property
    def bucket(self) -> str:
        """What their requests are counted under."""
        return self.key_id or LOCAL_OWNER

    def watches(self, job_id: str) -> Watcher:
        """This caller as somebody who sees a job for a while."""
        return Watcher(job_id=job_id, owner=self.owner, key_id=self.key_id)

    @property
    def actor(self) -> Actor:
        """This caller as the audit log names them."""
        return Actor(self.owner, self.key_id, self.address)

    @property
    def is_operator(self) -> bool:
        """Whether they run the service."""
        return self.has("operator")

    def has(self, role: Role) -> bool:
        """Whether they have ``role``, or one that includes it."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def demand(self, role: Role) -> Caller:
        """This caller, if they have ``role``, or one that includes it.

        Raises:
            Problem: 403.
        """
        if not self.has(role):
            raise Problem("not-allowed", f"This needs a key with the role {role!r}; yours is {self.role!r}.")
        return self


def identify(request: Request, session: Session, settings: Settings) -> Caller:
    """The caller of ``request``.

    Raises:
        Problem: no key where one is needed, a wrong one (401), an open service that is asked from
            elsewhere, or a change in a browser's name that no page of ours has asked for (403).
    """
    secret = _secret(request)
    if secret is not None:
        key = verify(session, secret)
        if key is None:
            raise _no_key("This API key is not known, has expired or was revoked.")
        return caller_of(key, request)
    token = session_token(request)
    if token is not None and (key := key_of_session(session, token)) is not None:
        demand_csrf(request, token)
        return caller_of(key, request)
    if settings.require_key or _ever_had_a_key(session):
        raise _no_key("Send your API key as `Authorization: Bearer KEY`.")
    check_local(request)
    return Caller(owner=LOCAL_OWNER, role="operator", address=address_of(request))


def caller_of(key: Row[Any], request: Request) -> Caller:
    """Whoever shows a key that counts."""
    return Caller(key.owner_id, key.role, key.id, address_of(request), bool(key.use_is_due))


def address_of(request: Request) -> str | None:
    """Where a request comes from; behind a trusted proxy, from where that says."""
    return request.client.host if request.client else None


def check_local(request: Request) -> None:
    """Let only this machine in: no proxy, no web page from elsewhere (DNS rebinding, cross-site requests).

    A proxy on this machine would open the service to whoever reaches the proxy. So no forwarding header is
    believed here, not even that of a trusted proxy.

    Raises:
        Problem: 403.
    """
    server = request.scope.get("server")
    headers = request.headers
    local = (
        (request.client is None or is_loopback(request.client.host))
        and (server is None or is_loopback(server[0]) or server[1] is None)
        and is_loopback(host_of(f"//{headers.get('host', '')}"))
    )
    if (
        not local
        or comes_from_another_site(headers)
        or came_through_a_proxy(headers, request.scope["http_version"])
    ):
        raise Problem(
            "foreign-origin",
            "This service has no API key yet, so it answers to this machine alone: Host, Origin and Referer "
            "must be this machine's, and no proxy may stand between. "
            "Make a key with `python -m jobs keys create --owner NAME` to use it from elsewhere.",
        )


def check_binding(host: str, session: Session) -> None:
    """Refuse to serve an open service to the network.

    Raises:
        PublicWithoutKeys: ``host`` is no loopback address and there is no key.
    """
    if not is_loopback(host) and not any_key(session):
        raise PublicWithoutKeys


def _ever_had_a_key(session: Session) -> bool:
    """True once a key was made, also when all are revoked: revoking the last one must open nothing."""
    return bool(session.scalar(select(exists().select_from(ApiKey))))


def _secret(request: Request) -> str | None:
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, secret = header.partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise _no_key("The Authorization header must be `Bearer KEY`.")
    return secret.strip()


def _no_key(detail: str) -> Problem:
    return Problem("no-key", detail, headers={"WWW-Authenticate": 'Bearer realm="cartl"'})
