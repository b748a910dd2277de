"""Where real people sign in, the server does not start with what would let others in: a test a rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

from storage import hosting
from storage.engine import Database, open_database
from workbench import production
from workbench.production import NotForProduction
from workbench.settings import Settings

SOUND = {
    "auth": "oidc",
    "oidc_issuer": "https://id.example.com",
    "oidc_client_id": "workbench",
    "oidc_client_secret": "9f3c1a7be2d84056",
    "oidc_redirect_uri": "https://review.example.com/oauth2callback",
    "cookie_secret": "7d1f9a3c5e8b2046" * 2,
}


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder and a home with nothing in them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def database(sqlite_url: str) -> Database:
    return open_database(sqlite_url)


def found(database: Database, **changes: Any) -> str:
    return "\n".join(production.problems(Settings(**SOUND | changes), database))


def test_a_sound_setup_starts(database: Database) -> None:
    production.require_sound(Settings(**SOUND), database)


def test_demo_mode_is_for_trying_out(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMLIT_SERVER_PORT", "1")

    assert production.problems(Settings(), database) == ()


@pytest.mark.parametrize(
    "secret", ["a" * 64, "abcabc" * 8, "changeme-1234567890-changeme-1234567890", "my-password" * 5]
)
def test_a_cookie_secret_that_can_be_guessed(database: Database, secret: str) -> None:
    assert "WORKBENCH_COOKIE_SECRET can be guessed" in found(database, cookie_secret=secret)


def test_one_secret_for_two_things(database: Database) -> None:
    assert "is the client secret" in found(database, oidc_client_secret=SOUND["cookie_secret"])


def test_debug_options(database: Database) -> None:
    assert "WORKBENCH_LOG_LEVEL is DEBUG" in found(database, log_level="DEBUG")


def test_the_environment_speaks_to_the_framework(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMLIT_SERVER_TRUSTED_USER_HEADERS", "{}")

    assert "STREAMLIT_SERVER_TRUSTED_USER_HEADERS is set" in found(database)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('[server.trustedUserHeaders]\nX-User = "email"\n', "server.trustedUserHeaders"),
        ("[global]\ndevelopmentMode = true\n", "global.developmentMode to true"),
        ("[server]\nenableCORS = false\n", "server.enableCORS to false"),
        ("[server]\nenableXsrfProtection = false\n", "server.enableXsrfProtection to false"),
        ("not a file of settings", "cannot be read"),
    ],
)
@pytest.mark.parametrize("where", [".", "home"])
def test_a_file_speaks_to_the_framework(database: Database, elsewhere: Path, where: str, written: str, said: str):
    folder = elsewhere / where / ".streamlit"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(written)

    assert said in found(database)


def test_sqlite_with_more_than_one_server(database: Database) -> None:
    assert "SQLite serves one server" in found(database, replicas=2)


@pytest.mark.parametrize(
    ("mounts", "kind"),
    [
        ("disk / ext4 rw 0 0\nserver:/x {folder} nfs4 rw 0 0\n", "nfs4"),
        ("disk / ext4 rw 0 0\nserver:/x /elsewhere nfs4 rw 0 0\n", None),
        ("server:/ / cifs rw 0 0\ndisk {folder} ext4 rw 0 0\n", None),
        ("disk {folder} ext4 rw 0 0\nserver:/x {folder} nfs rw 0 0\n", "nfs"),
        ("", None),
    ],
)
def test_sqlite_on_a_network_file_system(database: Database, elsewhere: Path, mounts: str, kind: str | None) -> None:
    known = elsewhere / "mounts"
    known.write_text(mounts.format(folder=Path(str(database.engine.url.database)).parent))

    assert hosting.network_file_system(database, known) == kind


def test_a_database_superuser(postgresql_url: str) -> None:
    assert "is a superuser" in found(open_database(postgresql_url))


def test_an_ordinary_account(postgresql_url: str) -> None:
    """The account is a role of the whole server, so it is taken away again."""
    with create_engine(postgresql_url, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("CREATE ROLE ordinary LOGIN"))
        try:
            mine = open_database(
                make_url(postgresql_url).set(username="ordinary").render_as_string(hide_password=False)
            )
            assert not hosting.is_superuser(mine)
            mine.engine.dispose()
        finally:
            connection.execute(text("DROP ROLE ordinary"))


def test_every_problem_is_told_at_once(database: Database) -> None:
    with pytest.raises(NotForProduction) as refused:
        production.require_sound(Settings(**SOUND | {"replicas": 3, "log_level": "DEBUG"}), database)

    assert len(str(refused.value).splitlines()) == 2
