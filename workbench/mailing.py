"""Getting a message out: into a folder, or through a mail server. Nothing that somebody else wrote becomes a header."""

from __future__ import annotations

import os
import re
import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from workbench.settings import LOOPBACK, Settings

TIMEOUT = 10.0  #: seconds for which a mail server may keep us waiting
PORTS = {"smtp": 25, "smtps": 465}
#: What one address is made of; so narrow that there is nothing in it to read as a second one or as another header.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*")


class MailNotSent(Exception):
    """A message that did not get out; the sentence says why."""


class Post(Protocol):
    """A way for messages to get out."""

    def send(self, message: EmailMessage) -> None:
        """Hand a message over.

        Raises:
            MailNotSent: it was not taken.
        """


def post_of(settings: Settings) -> Post | None:
    """The way that the settings name; None where no mail is to be sent."""
    if settings.mail is None:
        return None
    if settings.mail.startswith("file:"):
        return Folder(Path(settings.mail.removeprefix("file:")))
    parts = urlsplit(settings.mail)
    return MailServer(
        host=parts.hostname or "",
        port=parts.port or PORTS[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        is_encrypted=parts.scheme == "smtps",
    )


def message_to(sender: str, name: str, address: str, subject: str, text: str) -> EmailMessage:
    """A message to one person.

    Raises:
        MailNotSent: ``address`` is not one address.
    """
    if not is_address(address):
        raise MailNotSent("The e-mail address is not one address, so nothing can be sent to it.")
    user, _, host = address.rpartition("@")
    made = EmailMessage(policy=SMTP)
    made["From"] = sender
    made["To"] = Address(_header(name), user, host)
    made["Subject"] = _header(subject)
    made["Date"] = formatdate()
    made["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2].strip("> ") or "localhost")
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(text)
    return made


def is_address(text: str) -> bool:
    """Whether this is one plain e-mail address."""
    return _ADDRESS.fullmatch(text) is not None


def _header(text: str) -> str:
    """``text`` as one short line of printable characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:200]


@dataclass(frozen=True, slots=True)
class Folder:
    """Messages as files, one ``.eml`` each: for trying it out, and for mail systems that take them from there."""

    path: Path

    def send(self, message: EmailMessage) -> None:
        name = uuid4().hex
        half = self.path / f".{name}.part"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with half.open("wb") as file:
                file.write(message.as_bytes())
                file.flush()
                os.fsync(file.fileno())
            half.replace(self.path / f"{name}.eml")  # there whole, or not at all
        except OSError as problem:
            with suppress(OSError):
                half.unlink()
            raise MailNotSent(f"The folder for mail cannot be written: {problem.strerror}.") from problem


@dataclass(frozen=True, slots=True)
class MailServer:
    """A mail server, spoken to in SMTP; encrypted wherever it can be."""

    host: str
    port: int
    user: str
    password: str
    is_encrypted: bool  #: from the first byte; otherwise from STARTTLS on, where that is offered

    def send(self, message: EmailMessage) -> None:
        try:
            with self._connected() as server:
                self._introduce(server)
                server.send_message(message)
        except (OSError, smtplib.SMTPException) as problem:
            raise MailNotSent(f"The mail server did not take it: {_said(problem)}") from problem

    def _connected(self) -> smtplib.SMTP:
        if self.is_encrypted:
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT, context=context)
        return smtplib.SMTP(self.host, self.port, timeout=TIMEOUT)

    def _introduce(self, server: smtplib.SMTP) -> None:
        server.ehlo()
        if not self.is_encrypted and server.has_extn("starttls"):
            server.starttls(context=ssl.create_default_context())
            server.ehlo()
        elif self.user and not self.is_encrypted and self.host not in LOOPBACK:
            raise MailNotSent("The mail server offers no encryption, so the password is not sent. Use smtps://.")
        if self.user:
            server.login(self.user, self.password)


def _said(problem: Exception) -> str:
    """What went wrong, in one line, as whoever operates this will look for it."""
    return f"{type(problem).__name__}: {' '.join(str(problem).split())[:300]}"
