"""Secrets that are set are told nowhere: not in what is shown, logged, recorded, exported or answered."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from review_queue.exporting import ExportKind
from review_queue.roles import Role
from storage.engine import Database
from storage.tables import metadata
from tests.builders import a_person, a_workflow, bring_in, forecasts
from workbench import auth, logs, production, server
from workbench.actions import exporting
from workbench.commands import serving
from workbench.settings import SettingsInvalid, settings

CANARY = "canary"
SECRETS = {
    "cookie_secret": f"{CANARY}-1-7d1f9a3c5e8b20467d1f9a3c5e8b2046",
    "oidc_client_secret": f"{CANARY}-2-9f3c1a7be2d84056",
    "mask_key": f"{CANARY}-3-7d1f9a3c5e8b20467d1f9a3c5e8b2046",
    "mail": f"smtps://user:{CANARY}-4@mail.example.com:465",
}
OTHERS = {
    "auth": "oidc",
    "oidc_issuer": "https://id.example.com",
    "oidc_client_id": "workbench",
    "oidc_redirect_uri": "https://review.example.com/oauth2callback",
    "mail_from": "review@example.com",
    "replicas": "2",
    "log_level": "DEBUG",
}


@pytest.fixture
def told(database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    for name, value in (SECRETS | OTHERS | {"database_url": database_url}).items():
        monkeypatch.setenv(f"WORKBENCH_{name.upper()}", value)
    settings.cache_clear()
    caplog.set_level(logging.DEBUG)
    yield caplog
    settings.cache_clear()


def test_no_secret_is_told_anywhere(
    database: Database,
    told: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    chosen = settings()
    said: list[Any] = [
        chosen,
        repr(chosen),
        chosen.in_force(),
        chosen.warnings(),
        production.problems(chosen, database),
    ]
    with pytest.raises(BaseException):  # noqa: B017, PT011 -- it says why the server would not start, and leaves
        serving.check_config()
    said.append(capsys.readouterr())
    said.append(refused_settings(monkeypatch))
    workflow = a_workflow(database)
    bring_in(database, workflow, forecasts(3))
    owner = a_person(database, "own", Role.OWNER)
    auth.keep(database, "a browser", owner)
    for kind in (ExportKind.AUDIT, ExportKind.LABELS, ExportKind.DECISIONS):
        path = tmp_path / f"{kind}.jsonl"
        wanted = exporting.Wanted(kind, mask_key=SECRETS["mask_key"].encode() if kind is ExportKind.LABELS else None)
        exporting.export(database, person_id=owner, workflow_key="sales", path=path, wanted=wanted)
        said.append(path.read_text())
    said.append(answers())
    with database.reading() as session:
        said += [[dict(row) for row in session.execute(select(table)).mappings()] for table in metadata.sorted_tables]
    formatter = logs.JsonLines(logs.nobody, whole=False)
    said += [formatter.format(record) for record in told.records]

    assert [text for text in map(str, said) if CANARY in text] == []
    assert server.sign_in_secrets(chosen)["auth"]["cookie_secret"] == SECRETS["cookie_secret"], "the canaries were set"


def refused_settings(monkeypatch: pytest.MonkeyPatch) -> str:
    """What is said of settings that cannot be."""
    with monkeypatch.context() as patch:
        patch.setenv("WORKBENCH_COOKIE_SECRET", f"{CANARY} short")
        settings.cache_clear()
        with pytest.raises(SettingsInvalid) as refused:
            settings()
    settings.cache_clear()
    return str(refused.value)


def answers() -> list[str]:
    """What the doors that need no sign-in answer, one of them to a fault."""
    from starlette.applications import Starlette
    from starlette.routing import Route

    def fails(_: object) -> None:
        raise RuntimeError("a fault")

    app = Starlette(
        routes=[Route("/healthz", server.healthz), Route("/fails", fails)],
        exception_handlers={Exception: server.answer_error},
    )
    client = TestClient(app, raise_server_exceptions=False)
    return [f"{answer.headers}{answer.text}" for answer in (client.get("/healthz"), client.get("/fails"))]
