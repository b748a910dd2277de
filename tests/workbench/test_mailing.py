"""Messages on their way out: into a folder, through a real mail server, and never to whom somebody else wrote in."""

from __future__ import annotations

import email
import email.policy
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller

from workbench.mailing import Folder, MailNotSent, MailServer, message_to, post_of
from workbench.settings import Settings

SENDER = "Review <review@example.com>"


class Kept:
    """A mail server that keeps what it gets."""

    def __init__(self) -> None:
        self.envelopes = []

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 -- the library's name
        if address.startswith("gone@"):
            return "550 no such box"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.envelopes.append(envelope)
        return "250 OK"


@pytest.fixture
def kept():
    handler = Kept()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = Controller(handler, hostname="127.0.0.1", port=port)
    running.start()
    handler.port = port
    yield handler
    running.stop()


def a_message(name="Ada", address="ada@example.com", subject="Review: 3 overdue", text="Hello\n.\nthere\n"):
    return message_to(SENDER, name, address, subject, text)


def a_server(kept):
    return MailServer("127.0.0.1", kept.port, user="", password="", is_encrypted=False)


def parsed(content: bytes):
    return email.message_from_bytes(content, policy=email.policy.default)


def test_a_message_gets_through_a_mail_server_whole(kept):
    a_server(kept).send(a_message(name="Zoë Ångström"))

    (envelope,) = kept.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("review@example.com", ["ada@example.com"])
    got = parsed(envelope.content)
    assert (got["Subject"], got["To"]) == ("Review: 3 overdue", "Zoë Ångström <ada@example.com>")
    assert got.get_content().splitlines() == ["Hello", ".", "there"]
    assert got["Auto-Submitted"] == "auto-generated"


def test_a_mail_server_that_refuses_or_is_not_there_is_a_sentence(kept):
    with pytest.raises(MailNotSent, match="did not take it: SMTPRecipientsRefused"):
        a_server(kept).send(a_message(address="gone@example.com"))
    with pytest.raises(MailNotSent, match="did not take it: ConnectionRefusedError"):
        replace(a_server(kept), port=1).send(a_message())
    assert kept.envelopes == []


def test_a_password_does_not_travel_in_the_open(kept, monkeypatch):
    monkeypatch.setattr("workbench.mailing.LOOPBACK", frozenset())

    with pytest.raises(MailNotSent, match="offers no encryption, so the password is not sent"):
        replace(a_server(kept), user="ada").send(a_message())


def test_a_message_is_one_file_whole_or_none(tmp_path: Path):
    folder = Folder(tmp_path / "out")
    folder.send(a_message())
    folder.send(a_message())

    found = sorted((tmp_path / "out").iterdir())
    assert [path.suffix for path in found] == [".eml", ".eml"]
    assert parsed(found[0].read_bytes())["To"] == "Ada <ada@example.com>"
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MailNotSent, match="cannot be written"):
        Folder(tmp_path / "file").send(a_message())


@pytest.mark.parametrize(
    "name", ["Ada\r\nBcc: eve@example.com", "Ada\nSubject: x", "Ada, eve@example.com", 'Ada" <eve@example.com>', "\x00"]
)
def test_a_name_makes_no_header_and_no_second_address(kept, name):
    a_server(kept).send(a_message(name=name, subject=f"Review {name}"))

    (envelope,) = kept.envelopes
    assert envelope.rcpt_tos == ["ada@example.com"]
    got = parsed(envelope.content)
    assert got["Bcc"] is None
    assert got.get_all("Subject") == [got["Subject"]]
    assert [address.addr_spec for address in got["To"].addresses] == ["ada@example.com"]


@pytest.mark.parametrize(
    "address",
    [
        "ada@example.com\r\nBcc: eve@example.com",
        "ada@example.com\n",
        "ada@example.com, eve@example.com",
        "<eve@example.com>",
        "ada@exa mple.com",
        "ada",
        "",
        "ada@@example.com",
        "ada@example.com;eve@example.com",
    ],
)
def test_what_is_not_one_address_gets_nothing(address):
    with pytest.raises(MailNotSent, match="not one address"):
        a_message(address=address)


def test_the_settings_name_the_way_out():
    def post(mail):
        return post_of(Settings(mail=mail, mail_from=SENDER))

    assert post(None) is None
    assert post("") is None
    assert post("file:/var/mail/out") == Folder(Path("/var/mail/out"))
    assert post("smtp://mail.example.com") == MailServer("mail.example.com", 25, "", "", is_encrypted=False)
    assert post("smtps://ada:p%40ss@mail.example.com:1465") == MailServer(
        "mail.example.com", 1465, "ada", "p@ss", is_encrypted=True
    )
