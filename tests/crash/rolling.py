"""F15: a new version takes the place of the old one, server by server, while people decide.

The new version is this one with a migration more, as an expanding release would bring it: a table, and a column that
may be empty. Its first server migrates when it starts; until the second is replaced, old code works on the new schema.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import websockets
from sqlalchemy import func, select

from review_queue.roles import Role
from storage import schema
from storage.engine import open_database
from storage.tables import decisions
from tests import builders
from tests.browser.steps import ROOT, Workbench, serving
from tests.crash.faults import Line, Setting, fault
from tests.crash.processes import apart
from tests.invariants import violations
from tests.tabs import Tab, connect
from workbench import auth

REVIEWERS = 4
PACKAGES = ("review_queue", "storage", "workbench", "pages", ".streamlit")
TARGET = "each page reconnects once; no error, 0 lost, 0 double"
#: What a page says to whoever presses in the moment in which its server stops.
RESTARTING = "The server is being restarted"

MIGRATION = '''"""What an expanding release adds."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("rolling_trial", sa.Column("id", sa.BigInteger(), primary_key=True))
    op.add_column("comments", sa.Column("rolling_trial", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("comments", "rolling_trial")
    op.drop_table("rolling_trial")
'''


@dataclass
class Seen:
    """What the pages saw."""

    acknowledged: int = 0  #: presses after which the next page was drawn
    unanswered: int = 0  #: presses whose socket closed first
    reconnects: Counter[str] = field(default_factory=Counter)  #: by reviewer
    longest: float = 0.0  #: seconds without a server, at the most
    told: Counter[str] = field(default_factory=Counter)  #: errors on pages


@fault("F15")
def rolling_deploy(setting: Setting) -> list[Line]:
    return [_line(setting)] if "postgresql" in setting.databases else []


def _line(setting: Setting) -> Line:
    url, folder = setting.fresh("F15", "postgresql")
    seen, problems = apart(lambda: _roll(url, folder, setting.decisions))
    return Line("F15", "postgresql", TARGET, seen, not problems, problems=tuple(problems))


def _roll(url: str, folder: Path, wanted: int) -> tuple[str, list[str]]:
    database = open_database(url)
    schema.upgrade(database)
    workflow = builders.a_workflow(database)
    builders.bring_in(database, workflow, builders.forecasts(2 * wanted + 10 * REVIEWERS, step=0.01))
    tokens = []
    for number in range(REVIEWERS):
        tokens.append(f"rolling-{number}".ljust(43, "0"))
        auth.keep(database, tokens[-1], builders.a_person(database, f"Reviewer {number}", Role.REVIEWER))
    seen = Seen()
    new = newer_version(folder / "new")
    before = schema.head()
    asyncio.run(_decide_while_it_rolls(seen, url, folder, new, tokens, wanted))
    with database.reading() as session:
        stored = session.execute(select(func.count()).select_from(decisions)).scalar_one()
    problems = violations(database)
    problems += [f"{count} × on a page: {what}" for what, count in seen.told.items() if RESTARTING not in what]
    if not seen.acknowledged <= stored <= seen.acknowledged + seen.unanswered:
        problems.append(f"{seen.acknowledged} acknowledged, {seen.unanswered} unanswered, and {stored} stored")
    problems += [f"{who} reconnected {times} times" for who, times in seen.reconnects.items() if times > 1]
    if schema.current(database) == before:
        problems.append("the new version did not migrate: the fault did not bite")
    restarting = sum(count for what, count in seen.told.items() if RESTARTING in what)
    reconnects = sum(seen.reconnects.values())
    said = (
        f"{stored} decisions, {reconnects} reconnects of {REVIEWERS} pages, {seen.unanswered} presses without "
        f"an answer, {restarting} told of the restart, at most {seen.longest:.1f} s without a server"
    )
    return said, problems


def newer_version(folder: Path) -> Path:
    """A copy of this version with one migration more."""
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    before = schema.head()
    revision = f"{int(before) + 1:04d}"
    path = folder / "storage" / "migrations" / "versions" / f"{revision}_rolling_trial.py"
    path.write_text(MIGRATION.format(revision=revision, before=before))
    return folder


async def _decide_while_it_rolls(seen: Seen, url: str, folder: Path, new: Path, tokens: list[str], wanted: int) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(serving(url, folder, drain_seconds="1")) for _ in range(2)]
        over = asyncio.Event()
        pages = [
            asyncio.create_task(_review(seen, f"reviewer {number}", servers[number % 2].url, token, over))
            for number, token in enumerate(tokens)
        ]
        for number, server in enumerate(servers):
            await _until_acknowledged(seen, wanted * (number + 1) // 3, pages)
            await asyncio.to_thread(_replace, server, url, folder, new, stack)
        await _until_acknowledged(seen, wanted, pages)
        over.set()
        await asyncio.gather(*pages)


def _replace(server: Workbench, url: str, folder: Path, new: Path, stack: ExitStack) -> None:
    """Stop a server as a deployment does, and start the new version in its place."""
    port = server.url.rsplit(":", 1)[1]
    server.process.terminate()
    server.process.wait(60)
    stack.enter_context(serving(url, folder, code=new, port=port, drain_seconds="1"))


async def _until_acknowledged(seen: Seen, count: int, pages: list[asyncio.Task[None]]) -> None:
    while seen.acknowledged < count:
        for page in pages:
            if page.done():
                page.result()
        await asyncio.sleep(0.1)


async def _review(seen: Seen, name: str, url: str, token: str, over: asyncio.Event) -> None:
    """Press *Accept AI* again and again; when the socket closes, connect again, as a page does by itself."""
    lost_at: float | None = None
    while not over.is_set():
        pressed = False
        try:
            async with connect(url, token) as socket:
                tab = Tab(socket)
                await tab.draw("review")
                if lost_at is not None:
                    seen.longest, lost_at = max(seen.longest, monotonic() - lost_at), None
                    seen.reconnects[name] += 1
                while not over.is_set():
                    if "Accept AI" not in tab.buttons:
                        seen.told.update(tab.said or ["no item to review"])
                        await asyncio.sleep(0.5)
                        await tab.draw("review")
                        continue
                    pressed = True
                    await tab.draw("review", press="Accept AI")
                    pressed = False
                    seen.told.update(tab.said)
                    seen.acknowledged += not tab.said
        except (websockets.WebSocketException, OSError):
            seen.unanswered += pressed
            lost_at = lost_at or monotonic()
            await asyncio.sleep(0.2)
