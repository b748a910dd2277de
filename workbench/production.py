"""What must not be where real people sign in: found at start, each with what to do about it."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from review_queue.errors import ReviewError
from storage import hosting
from storage.engine import Database
from workbench.settings import Settings, secret_text

#: Fewer different characters than this were not drawn at random.
FEWEST_CHARACTERS = 8
#: What stands in examples and was never meant to be kept.
MADE_UP = ("changeme", "change-me", "change_me", "password", "example", "secret", "default")
FRAMEWORK = "STREAMLIT_"
#: Settings of the framework that let somebody in or show what is inside, and the value that each must not have.
OPEN_DOORS: Mapping[str, object] = {
    "global.developmentMode": True,
    "server.enableCORS": False,
    "server.enableXsrfProtection": False,
}


class NotForProduction(ReviewError):
    """The server does not start as it is set up."""

    code = "NOT_FOR_PRODUCTION"

    def __init__(self, sentences: tuple[str, ...]) -> None:
        super().__init__("\n".join(sentences))


def require_sound(settings: Settings, database: Database) -> None:
    """Raise ``NotForProduction`` unless ``problems`` finds none."""
    found = problems(settings, database)
    if found:
        raise NotForProduction(found)


def problems(settings: Settings, database: Database) -> tuple[str, ...]:
    """What forbids to serve people who sign in at an identity provider, a sentence each; nothing in demo mode."""
    if settings.auth == "demo":
        return ()
    return (*_secrets(settings), *_debugging(settings), *_framework(), *_database(settings, database))


def _secrets(settings: Settings) -> Iterator[str]:
    secret = secret_text(settings.cookie_secret)
    if len(set(secret)) < FEWEST_CHARACTERS or any(word in secret.lower() for word in MADE_UP):
        yield "WORKBENCH_COOKIE_SECRET can be guessed, and any sign-in made with it. `openssl rand -hex 32` makes one."
    if secret == secret_text(settings.oidc_client_secret):
        yield "WORKBENCH_COOKIE_SECRET is the client secret, which the identity provider knows. Make another one."


def _debugging(settings: Settings) -> Iterator[str]:
    if settings.log_level == "DEBUG":
        yield "WORKBENCH_LOG_LEVEL is DEBUG, which writes what people send into the log. Set INFO."


def _framework() -> Iterator[str]:
    for name in sorted(os.environ):
        if name.startswith(FRAMEWORK):
            yield f"{name} is set: how the screens are served is not for the environment to say. Unset it."
    for path in (Path.cwd() / ".streamlit" / "config.toml", Path.home() / ".streamlit" / "config.toml"):
        yield from _in_file(path)


def _in_file(path: Path) -> Iterator[str]:
    if not path.is_file():
        return
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        yield f"{path} cannot be read. Take it away."
        return
    if found.get("server", {}).get("trustedUserHeaders"):
        yield f"{path} sets server.trustedUserHeaders: a header would say who somebody is. Take it out."
    for name, wrong in OPEN_DOORS.items():
        section, _, key = name.partition(".")
        if found.get(section, {}).get(key) == wrong:
            yield f"{path} sets {name} to {str(wrong).lower()}. Take it out."


def _database(settings: Settings, database: Database) -> Iterator[str]:
    if database.dialect == "sqlite" and settings.replicas > 1:
        yield f"WORKBENCH_REPLICAS is {settings.replicas}, and SQLite serves one server. Use PostgreSQL."
    kind = hosting.network_file_system(database)
    if kind is not None:
        yield f"The SQLite file lies on a network file system ({kind}), where its locks do not hold. Move it to a disk."
    if hosting.is_superuser(database):
        yield "The database account is a superuser, whom nothing holds back. Use one that only owns these tables."
