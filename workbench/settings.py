"""What the environment says, checked at start: every setting, with its default and what is refused.

docs/operating.md lists them for people; a test keeps the two the same.
"""

from __future__ import annotations

import os
from functools import cache
from ipaddress import ip_network
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from review_queue.retention import rules_of

PREFIX = "WORKBENCH_"
SHORTEST_SECRET = 32  #: bytes
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
OIDC_NEEDS = ("oidc_issuer", "oidc_client_id", "oidc_client_secret", "oidc_redirect_uri", "cookie_secret")

Words = Annotated[tuple[str, ...], NoDecode]  #: separated by commas in the environment


class SettingsInvalid(Exception):
    """The environment says something that cannot be, or leaves out something that must be."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Settings(BaseSettings):
    """One installation's settings. Field ``log_level`` is ``WORKBENCH_LOG_LEVEL`` in the environment."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    database_url: Annotated[str, Field(repr=False)] = "sqlite:///workbench.db"  #: may hold a password
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8501  #: 0: any free one
    allowed_hosts: Words = ()  #: names that this server answers to; empty: any
    auth: Literal["demo", "oidc"] = "demo"
    oidc_name: Annotated[str, Field(min_length=1, max_length=60)] = "single sign-on"  #: on the button
    oidc_issuer: str | None = None  #: the one issuer whose word is taken
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    oidc_redirect_uri: str | None = None
    cookie_secret: SecretStr | None = None  #: signs the sign-in cookies; the same on every replica
    administrators: Words = ()  #: issuer|subject of those who become administrators when they sign in
    replicas: Annotated[int, Field(ge=1, le=1000)] = 1  #: servers on this database, as the operator knows
    drain_seconds: Annotated[int, Field(ge=0, le=600)] = 5  #: unready before it stops, after SIGTERM
    double_click_ms: Annotated[int, Field(ge=0, le=2000)] = 500  #: a press so soon after a saved one decides nothing
    api_requests_per_minute: Annotated[int, Field(ge=1, le=100_000)] = 120  #: of one token, in one process
    api_imports_per_minute: Annotated[int, Field(ge=1, le=100_000)] = 20  #: of those, how many may bring rows in
    public_url: str | None = None  #: where people reach this workbench, for links in mail
    mail: Annotated[str | None, Field(repr=False)] = None  #: how mail gets out; None: it does not
    mail_from: str | None = None  #: whom it is from
    sources: str | None = None  #: the file that names other databases to pull from
    checkpoints: str | None = None  #: the folder for checkpoints of the audit record, outside the database
    checkpoint_key: str | None = None  #: the file with the private key that signs them
    mask_key: SecretStr | None = None  #: what people are masked with in labels; None: another key each time
    retention: str = ""  #: days that things are kept other than by default, like drafts=30, comments=365
    two_administrators: bool = True  #: whether a second one has to agree before somebody becomes an administrator
    relay: bool = True  #: `workbench serve` sends webhooks; `workbench worker` does in any case
    webhook_ports: Annotated[frozenset[int], NoDecode] = frozenset({443})  #: that receivers may be on
    webhook_loopback: bool = False  #: receivers on this machine, unencrypted too: for trying it out
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "text"] = "json"
    metrics_token: SecretStr | None = None  #: what a scrape shows; None: only this machine may scrape
    trusted_proxies: Words = ("127.0.0.1",)  #: whose word is taken on who asks, and whether it came encrypted
    disk_free_percent: Annotated[int, Field(ge=0, le=90)] = 10  #: less free makes it unready; 0: not looked at

    @field_validator("allowed_hosts", "administrators", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value

    @field_validator("webhook_ports", mode="before")
    @classmethod
    def _some_ports(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        words = [word.strip() for word in value.split(",") if word.strip()]
        if not words or not all(word.isascii() and word.isdecimal() and 0 < int(word) < 65536 for word in words):
            raise ValueError("write ports separated by commas, like 443,8443")
        return frozenset(int(word) for word in words)

    @field_validator("retention")
    @classmethod
    def _known_rules(cls, value: str) -> str:
        rules_of(value)
        return value

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        try:
            kind = make_url(value).get_backend_name()
        except ArgumentError as error:
            raise ValueError("this is not a database URL; write sqlite:///FILE or postgresql://…") from error
        if kind not in ("sqlite", "postgresql"):
            raise ValueError(f"{kind} is not supported; use a sqlite:/// or postgresql:// URL")
        return value

    @field_validator("administrators")
    @classmethod
    def _whole_identities(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for identity in value:
            issuer, bar, subject = identity.rpartition("|")
            if not (bar and issuer and subject):
                raise ValueError(f"write {identity!r} as issuer|subject; an e-mail address identifies nobody")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            try:
                ip_network(each)
            except ValueError as error:
                raise ValueError(f"write {each!r} as an address or a network, like 10.0.0.5 or 10.0.0.0/24") from error
        return value

    @field_validator("cookie_secret", "mask_key", "metrics_token")
    @classmethod
    def _long_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value().encode()) < SHORTEST_SECRET:
            raise ValueError(f"it needs {SHORTEST_SECRET} bytes or more; `openssl rand -hex 32` makes one")
        return value

    @field_validator("oidc_issuer")
    @classmethod
    def _secure_issuer(cls, value: str | None) -> str | None:
        return _secure(value)

    @field_validator("oidc_redirect_uri")
    @classmethod
    def _callback(cls, value: str | None) -> str | None:
        if value is not None and not value.endswith("/oauth2callback"):
            raise ValueError("it must end with /oauth2callback, like https://review.example.com/oauth2callback")
        return _secure(value)

    @field_validator("public_url", "mail", "mail_from", "sources", "checkpoints", "checkpoint_key")
    @classmethod
    def _none_if_empty(cls, value: str | None) -> str | None:
        return (value or "").strip() or None

    @field_validator("public_url")
    @classmethod
    def _page_address(cls, value: str | None) -> str | None:
        if value is not None and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname):
            raise ValueError("write where people reach the workbench, like https://review.example.com")
        return value

    @field_validator("mail")
    @classmethod
    def _known_mail(cls, value: str | None) -> str | None:
        is_folder = (value or "").startswith("file:") and value != "file:"
        if value is not None and not is_folder and not _is_mail_server(value):
            raise ValueError("write file:FOLDER, smtp://HOST:PORT or smtps://USER:PASSWORD@HOST:PORT")
        return value

    @field_validator("mail_from")
    @classmethod
    def _one_sender(cls, value: str | None) -> str | None:
        if value is not None and (not value.isprintable() or value.count("@") != 1 or "," in value):
            raise ValueError("write one address, like review@example.com or Review <review@example.com>")
        return value

    @model_validator(mode="after")
    def _whole_mail(self) -> Settings:
        if self.mail is not None and self.mail_from is None:
            raise ValueError("WORKBENCH_MAIL also needs WORKBENCH_MAIL_FROM")
        return self

    @model_validator(mode="after")
    def _whole_checkpoints(self) -> Settings:
        if (self.checkpoints is None) != (self.checkpoint_key is None):
            raise ValueError("WORKBENCH_CHECKPOINTS and WORKBENCH_CHECKPOINT_KEY need each other. Set both, or neither")
        return self

    @model_validator(mode="after")
    def _loopback_for_trying_out(self) -> Settings:
        if self.webhook_loopback and self.auth != "demo":
            raise ValueError(
                "WORKBENCH_WEBHOOK_LOOPBACK is for trying webhooks out, and works in demo mode only. Unset it"
            )
        return self

    @model_validator(mode="after")
    def _whole_sign_in(self) -> Settings:
        missing = [PREFIX + name.upper() for name in OIDC_NEEDS if getattr(self, name) is None]
        if self.auth == "oidc" and missing:
            raise ValueError(f"WORKBENCH_AUTH=oidc also needs {', '.join(missing)}")
        return self

    def in_force(self) -> dict[str, str]:
        """Every setting by its name in the environment, as text; secrets and passwords hidden."""
        return {PREFIX + name.upper(): self._shown(name) for name in type(self).model_fields}

    def _shown(self, name: str) -> str:
        value = getattr(self, name)
        if name == "database_url":
            return make_url(value).render_as_string(hide_password=True)
        if name == "mail" and value is not None:
            return _without_password(value)
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, frozenset):
            return ",".join(str(each) for each in sorted(value))
        if isinstance(value, tuple):
            return ", ".join(value)
        return "" if value is None else str(value)

    def warnings(self) -> tuple[str, ...]:
        """What is allowed, but wants a second thought."""
        found = []
        if self.auth == "demo" and self.host not in LOOPBACK:
            found.append(
                f"Demo mode answers on {self.host}: anyone who can reach it can sign in as anyone. "
                "Set WORKBENCH_AUTH=oidc before real data goes in."
            )
        if self.auth == "oidc" and not self.administrators:
            found.append("WORKBENCH_ADMINISTRATORS is empty: grant the first role with `workbench people grant`.")
        if self.auth == "oidc" and self.checkpoints is None:
            found.append(
                "WORKBENCH_CHECKPOINTS is not set: whoever owns the database could compute the audit record anew."
            )
        if self.auth == "oidc" and not self.allowed_hosts:
            found.append("WORKBENCH_ALLOWED_HOSTS is empty: sockets are taken under any name. Name your own.")
        return tuple(found)


@cache
def settings() -> Settings:
    """This process's settings, read once. Tests that change the environment call ``settings.cache_clear()``.

    Raises:
        SettingsInvalid: with a sentence for every problem.
    """
    problems = [
        f"{name}: there is no such setting. docs/operating.md lists them all."
        for name in sorted(os.environ)
        if name.startswith(PREFIX) and name.removeprefix(PREFIX).lower() not in Settings.model_fields
    ]
    try:
        read = Settings()
    except ValidationError as error:
        problems += [_sentence(problem) for problem in error.errors()]
    if problems:
        raise SettingsInvalid(tuple(problems))
    return read


def secret_text(secret: SecretStr | None) -> str:
    """The secret itself, for the one who needs it."""
    return "" if secret is None else secret.get_secret_value()


def _secure(address: str | None) -> str | None:
    """``address`` back, if what is sent there cannot be read on the way."""
    if address is None:
        return None
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise ValueError("it must start with https://, except on this machine itself")
    return address


def _is_mail_server(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("smtp", "smtps") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        return False


def _without_password(address: str) -> str:
    password = urlsplit(address).password
    return address.replace(f":{password}@", ":***@", 1) if password else address


def _sentence(problem: Any) -> str:
    """A pydantic problem in the operator's words, without the value, which may be a secret."""
    message = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return f"{message}."
    return f"{PREFIX}{str(problem['loc'][0]).upper()}: {message[0].lower()}{message[1:]}."
