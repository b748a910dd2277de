from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.sending import reach_of
from workbench.settings import PREFIX, Settings, SettingsInvalid, settings

ROOT = Path(__file__).parents[2]
SECRET = "0123456789abcdef" * 2
OIDC = {
    "WORKBENCH_AUTH": "oidc",
    "WORKBENCH_OIDC_ISSUER": "https://id.example.com",
    "WORKBENCH_OIDC_CLIENT_ID": "workbench",
    "WORKBENCH_OIDC_CLIENT_SECRET": "between-us",
    "WORKBENCH_OIDC_REDIRECT_URI": "https://review.example.com/oauth2callback",
    "WORKBENCH_COOKIE_SECRET": SECRET,
}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in list(os.environ):
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)
    settings.cache_clear()
    yield
    settings.cache_clear()


def read(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return settings()


def problems(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    with pytest.raises(SettingsInvalid) as refused:
        read(monkeypatch, **environment)
    return str(refused.value)


def test_nothing_needs_to_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch)

    assert (found.database_url, found.auth, found.host, found.port) == (
        "sqlite:///workbench.db",
        "demo",
        "127.0.0.1",
        8501,
    )


def test_a_setting_that_does_not_exist_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "WORKBENCH_DATABSE_URL: there is no such setting" in problems(
        monkeypatch, WORKBENCH_DATABSE_URL="sqlite:///x.db"
    )


def test_every_problem_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = problems(monkeypatch, WORKBENCH_PORT="eighty", WORKBENCH_AUTH="none", WORKBENCH_COLOUR="blue")

    assert set(re.findall(r"^WORKBENCH_\w+", found, re.MULTILINE)) == {
        "WORKBENCH_COLOUR",
        "WORKBENCH_AUTH",
        "WORKBENCH_PORT",
    }


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("DATABASE_URL", "mysql://db/x", "mysql is not supported"),
        ("DATABASE_URL", "workbench.db", "write sqlite:///FILE or postgresql://"),
        ("COOKIE_SECRET", "short", "it needs 32 bytes or more"),
        ("OIDC_ISSUER", "http://id.example.com", "it must start with https://"),
        ("OIDC_REDIRECT_URI", "http://review.example.com/oauth2callback", "it must start with https://"),
        ("OIDC_REDIRECT_URI", "https://review.example.com/", "it must end with /oauth2callback"),
        ("ADMINISTRATORS", "ada@example.com", "an e-mail address identifies nobody"),
        ("PORT", "70000", "less than or equal to 65535"),
        ("PUBLIC_URL", "review.example.com", "write where people reach the workbench"),
        ("WEBHOOK_PORTS", "https", "write ports separated by commas"),
        ("WEBHOOK_PORTS", "443,70000", "write ports separated by commas"),
        ("WEBHOOK_PORTS", "", "write ports separated by commas"),
        ("MAIL", "mail.example.com", "write file:FOLDER"),
        ("MAIL", "smtp://mail.example.com:eighty", "write file:FOLDER"),
        ("MAIL_FROM", "review@example.com, all@example.com", "write one address"),
        ("MAIL_FROM", "review@example.com\nBcc: all@example.com", "write one address"),
    ],
)
def test_a_value_that_cannot_be_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    found = problems(monkeypatch, **{f"WORKBENCH_{name}": value})

    assert found.startswith(f"WORKBENCH_{name}: ")
    assert sentence in found


def test_a_refusal_does_not_repeat_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    short = "hunter2"

    assert short not in problems(monkeypatch, WORKBENCH_COOKIE_SECRET=short)


def test_oidc_names_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    found = problems(monkeypatch, WORKBENCH_AUTH="oidc", WORKBENCH_OIDC_CLIENT_ID="workbench")

    assert "WORKBENCH_OIDC_ISSUER" in found
    assert "WORKBENCH_COOKIE_SECRET" in found
    assert "WORKBENCH_OIDC_CLIENT_ID" not in found


def test_oidc_on_this_machine_may_go_without_encryption(monkeypatch: pytest.MonkeyPatch) -> None:
    local = {
        "WORKBENCH_OIDC_ISSUER": "http://localhost:9400",
        "WORKBENCH_OIDC_REDIRECT_URI": "http://127.0.0.1:{port}/oauth2callback",
    }

    assert read(monkeypatch, **(OIDC | local)).oidc_issuer == "http://localhost:9400"


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(
        monkeypatch,
        WORKBENCH_ADMINISTRATORS="https://id.example.com|u-1, https://id.example.com|u-2",
        WORKBENCH_ALLOWED_HOSTS="review.example.com",
    )

    assert found.administrators == ("https://id.example.com|u-1", "https://id.example.com|u-2")
    assert found.allowed_hosts == ("review.example.com",)


def test_what_is_in_force_is_shown_without_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch, **OIDC, WORKBENCH_DATABASE_URL="postgresql://ada:s3cret@db/workbench")

    shown = "\n".join(f"{name}={value}" for name, value in found.in_force().items())

    assert "https://id.example.com" in shown
    for secret in (SECRET, "between-us", "s3cret"):
        assert secret not in shown


def test_webhooks_to_this_machine_are_for_demo_mode_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not reach_of(read(monkeypatch)).to_loopback
    settings.cache_clear()
    assert reach_of(read(monkeypatch, WORKBENCH_WEBHOOK_LOOPBACK="true")).to_loopback
    settings.cache_clear()

    found = problems(monkeypatch, WORKBENCH_WEBHOOK_LOOPBACK="true", **OIDC)

    assert found == "WORKBENCH_WEBHOOK_LOOPBACK is for trying webhooks out, and works in demo mode only. Unset it."


def test_ports_of_receivers_are_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch, WORKBENCH_WEBHOOK_PORTS="8443, 443")

    assert reach_of(found).ports == {443, 8443}
    assert found.in_force()["WORKBENCH_WEBHOOK_PORTS"] == "443,8443"


def test_mail_needs_a_sender_and_an_empty_setting_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "also needs WORKBENCH_MAIL_FROM" in problems(monkeypatch, WORKBENCH_MAIL="smtp://mail.example.com")

    monkeypatch.setenv("WORKBENCH_MAIL", " ")
    settings.cache_clear()
    assert settings().mail is None


def test_the_password_of_the_mail_server_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    address = "smtps://ada:s3cret@mail.example.com:465"
    found = read(monkeypatch, WORKBENCH_MAIL=address, WORKBENCH_MAIL_FROM="review@example.com")

    assert found.in_force()["WORKBENCH_MAIL"] == "smtps://ada:***@mail.example.com:465"


def test_demo_mode_on_an_open_address_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "anyone who can reach it" in " ".join(read(monkeypatch, WORKBENCH_HOST="0.0.0.0").warnings())  # noqa: S104


def test_every_setting_is_documented_with_its_default() -> None:
    documented = dict(
        re.findall(r"^\| `(WORKBENCH_\w+)` \| (.*?) \|", (ROOT / "docs/operating.md").read_text("utf-8"), re.MULTILINE)
    )

    assert set(documented) == {PREFIX + name.upper() for name in Settings.model_fields}
    for name, default in Settings.model_construct().in_force().items():
        assert documented[name] == (f"`{default}`" if default else "none"), name
