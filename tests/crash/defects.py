"""Versions of the product that are broken on purpose, and the check that must catch each: ``make defects``.

A checker that cannot fail proves nothing. Each defect is a small patch of a copy of the tree; its text must be found
exactly once, so that a patch that no longer fits fails the command instead of passing it. The same checks first run
on an unbroken copy, where they must pass.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
COPIED = ("review_queue", "storage", "workbench", "pages", "tests", ".streamlit", "pyproject.toml")
AT_ONCE = 2
TOO_LONG = 300  #: seconds

Command = tuple[str, ...]


def harness(*asked: str) -> Command:
    return ("-W", "ignore", "-m", "tests.crash", *asked)


def tests(*names: str) -> Command:
    return ("-m", "pytest", "-q", "-W", "ignore", "-p", "no:cacheprovider", *names)


TOKENS = harness("--faults", "tokens", "--database", "sqlite")
POINTS = harness("--faults", "points", "--database", "sqlite")
LATE = harness("--faults", "F9", "--database", "sqlite")
CLOCKS = harness("--faults", "F6", "--database", "postgresql")
WALLS = tests("tests/crash/test_walls.py")
IN_LINE = tests("tests/storage/test_deliveries.py", "-k", "sqlite and not many_workers")
SENT_OUT = tests("tests/workbench/test_sending.py")
TAMPERED = tests("tests/workbench/test_auditing.py", "-k", "whatever_is_done and sqlite")
RELAYED = tests("tests/workbench/test_relaying.py", "-k", "sqlite and (under_its_id or two_keys)")
ANSWER_LOST = tests("tests/workbench/test_again.py", "-k", "whose_answer_was_lost_is_made_once_and_said_to_be_saved")


@dataclass(frozen=True)
class Change:
    """One replacement in one file."""

    path: str
    find: str
    instead: str


@dataclass(frozen=True)
class Defect:
    """What is broken, how, and which check must notice, by a line that matches ``sign``."""

    name: str
    changes: tuple[Change, ...]
    check: Command
    sign: str


RULES, DECIDING, REVIEWING = "review_queue/rules.py", "workbench/actions/deciding.py", "workbench/actions/reviewing.py"
QUEUE, SERVING, AGAIN = "storage/queue.py", "storage/serving.py", "workbench/actions/again.py"
FIRST_TABLES = "storage/migrations/versions/0001_first_tables.py"

SUBMITTING = """    with database.writing() as session:
        who = people.principal(session, person_id)
        item = one_item.get(session, choice.item_id, who, Task.REVIEW, lock=True)
"""


def _in_a_transaction_of_its_own(call: str) -> str:
    """The call, made once the first transaction is over, in another."""
    return f"""
    from sqlalchemy import event
    from storage.engine import Database
    engine = session.get_bind()

    def later(first: object, *rest: object) -> None:
        with Database(engine).writing() as session:
            {call}

    event.listen(session, "after_commit", later, once=True)
"""


AUDITED = 'note(session, "decision.made", who, workflow, item.id, decision_id, details)'
SENT = "outbox.decision_made(session, item, verdict, decision_id)"

DELIVERIES = "storage/deliveries.py"
CHECKPOINTS = "review_queue/checkpoints.py"
SENDING = "workbench/sending.py"

DEFECTS = (
    Defect(
        "completing looks at the state and the owner, not at the fence",
        (Change(RULES, "if not mine or item.fence != choice.fence or item.round", "if not mine or item.round"),),
        TOKENS,
        r"I4/I16: .* was taken under claim",
    ),
    Defect(
        "completing does not ask whose claim it is",
        (
            Change(RULES, " and item.holder_id == reviewer_id\n    if not mine", "\n    if not mine"),
            Change(
                QUEUE,
                'items.c.claimed_by == bindparam("holder"),',
                '(items.c.claimed_by == bindparam("holder")) | items.c.claimed_by.is_not(None),',
            ),
        ),
        TOKENS,
        r"I4/I16: .* by person \d+ while claimed by \d+",
    ),
    Defect(
        "the audit event is written in a second transaction",
        (Change(DECIDING, f"    {AUDITED}\n", _in_a_transaction_of_its_own(AUDITED)),),
        POINTS,
        r"I8: decision \d+ \(decide\) has 0 audit events",
    ),
    Defect(
        "the outbox event is written in a second transaction",
        (
            Change(
                DECIDING,
                f"        {SENT}\n",
                _in_a_transaction_of_its_own(SENT).replace("\n    ", "\n        "),
            ),
        ),
        POINTS,
        r"I9: decision \d+ on item \d+ has 0 outbox events",
    ),
    Defect(
        "a key may be stored twice",
        (
            Change(
                FIRST_TABLES,
                '        sa.UniqueConstraint("idempotency_key", name=op.f("uq_decisions_idempotency_key")),\n',
                "",
            ),
        ),
        WALLS,
        r"FAILED .*test_a_key_is_stored_once",
    ),
    Defect(
        "two first decisions may stand in a round",
        (
            Change(
                FIRST_TABLES,
                '        ["item_id", "round", "stage"],\n        unique=True,',
                '        ["item_id", "round", "stage"],\n        unique=False,',
            ),
        ),
        WALLS,
        r"FAILED .*test_one_first_decision_stands_in_a_round",
    ),
    Defect(
        "saved is said before it is committed",
        (
            Change(
                REVIEWING,
                SUBMITTING,
                SUBMITTING.replace(
                    "    with database.writing() as session:\n",
                    """    import contextlib
    import threading

    session = Session(database.engine, autoflush=False)
    session.begin()
    with contextlib.ExitStack() as answered:
        answered.callback(lambda: threading.Timer(0.2, session.commit).start())
""",
                ),
            ),
        ),
        POINTS,
        r"I1: lost: decision \d+ .* was acknowledged and is not stored",
    ),
    Defect(
        "claims go by the clock of the application",
        (
            Change(
                REVIEWING,
                "    now, held = hand.now, hand.first\n",
                "    now, held = datetime.now().astimezone(), hand.first\n",
            ),
        ),
        CLOCKS,
        r"[1-9]\d* live claims were stolen",
    ),
    Defect(
        "SQLite is told not to wait for the disk (a killed process loses no page cache: only the setting shows it)",
        (Change("storage/engine.py", '"synchronous = FULL"', '"synchronous = NORMAL"'),),
        TOKENS,
        r"P1: synchronous is 1, not 2",
    ),
    Defect(
        "a key is forgotten after a day",
        (
            Change(
                DECIDING,
                "    if past.answered is None:\n        return None\n",
                "    import datetime as clock\n\n"
                "    if past.answered is None or past.answered[0].decided_at < past.now - clock.timedelta(days=1):\n"
                "        return None\n",
            ),
        ),
        TOKENS,
        r"key of last year: the same request was answered",
    ),
    Defect(
        "the scope is kept by the page alone",
        (
            Change(
                "storage/people.py",
                "    if grant.segment_path is not None:\n        condition",
                "    if False:\n        condition",
            ),
        ),
        TOKENS,
        r"I13: person \d+ was not allowed",
    ),
    Defect(
        "the step of the ladder is kept by the page alone",
        (
            Change(
                "storage/people.py",
                "_inside(grant, items) & (items.c.level <= REVIEW_LEVEL[grant.role])",
                "_inside(grant, items)",
            ),
        ),
        TOKENS,
        r"I13: person \d+ was not allowed item.claimed on item \d+ at level 1",
    ),
    Defect(
        "a doubtful commit is asked for again under a new key",
        (
            Change(
                AGAIN,
                "        return _until_answered(once)\n",
                "        import dataclasses\n"
                "        import secrets\n\n"
                "        asked = dict(once.keywords)\n"
                '        if "choice" in asked:\n'
                "            key = secrets.token_hex(16)\n"
                '            asked["choice"] = dataclasses.replace(asked["choice"], idempotency_key=key)\n'
                "        return _until_answered(partial(once.func, *once.args, **asked))\n",
            ),
        ),
        ANSWER_LOST,
        r"FAILED .*test_a_decision_whose_answer_was_lost_is_made_once",
    ),
    Defect(
        "a doubtful commit is called a failure",
        (
            Change(
                AGAIN,
                "        return _until_answered(once)\n",
                "        raise DatabaseAway from doubt\n",
            ),
        ),
        ANSWER_LOST,
        r"FAILED .*test_a_decision_whose_answer_was_lost_is_made_once",
    ),
    Defect(
        "what was seen is not compared with what is there",
        (Change(RULES, "if choice.content_hash != item.content_hash:", "if False:"),),
        TOKENS,
        r"I11: decision \d+ was signed on AI and manual|I1: .* but its content_hash",
    ),
    Defect(
        "a claim that ran out is not handed out again",
        (
            Change(SERVING, "return and_(items.c.available_at <= NOW,", "return and_(items.c.state != State.CLAIMED,"),
            Change(
                SERVING, "or_(items.c.available_at <= NOW, is_mine)", "or_(items.c.state != State.CLAIMED, is_mine)"
            ),
        ),
        TOKENS,
        r"stuck: item \d+'s claim ran out, and nobody else is given it",
    ),
    Defect(
        "an undo does not ask whether somebody has the item by now",
        (Change(RULES, "if item.fence != decision.fence or item.round", "if item.round"),),
        TOKENS,
        r"I4/I16: .* was undone after claim|I4/I16: .* was undone by person",
    ),
    Defect(
        "a refusal throws the draft away",
        (
            Change(
                REVIEWING,
                SUBMITTING,
                "    with database.writing() as session:\n"
                "        notes.drop_draft(session, choice.item_id, person_id)\n" + SUBMITTING,
            ),
        ),
        LATE,
        r"the draft on item \d+ was .* and is \{\}",
    ),
    Defect(
        "a claim leaves the fence as it is",
        (Change(QUEUE, "fence=items.c.fence + 1,", "fence=items.c.fence + 0,"),),
        TOKENS,
        r"I4/I16: ",
    ),
    Defect(
        "an event overtakes an earlier one of its item",
        (Change(DELIVERIES, "<= database_time(), ~is_behind)", "<= database_time())"),),
        IN_LINE,
        r"FAILED .*(test_of_an_item_only_the_first_event_is_sent)",
    ),
    Defect(
        "a dead letter lets later events of its item pass",
        (
            Change(
                DELIVERIES,
                """ahead.c.state.in_([literal_column("'pending'"), literal_column("'dead'")])""",
                """ahead.c.state == literal_column("'pending'")""",
            ),
        ),
        IN_LINE,
        r"FAILED .*(test_a_dead_letter_holds_back_its_item)",
    ),
    Defect(
        "a lease does not keep others away",
        (Change(DELIVERIES, '"until": now + for_}', '"until": now}'),),
        IN_LINE,
        r"FAILED .*(test_a_lease_keeps_others_away)",
    ),
    Defect(
        "a lease never ends",
        (Change(DELIVERIES, '"until": now + for_}', '"until": now + for_ + timedelta(days=9)}'),),
        IN_LINE,
        r"FAILED .*(test_a_lease_keeps_others_away)",
    ),
    Defect(
        "an event is routed every time",
        (Change(DELIVERIES, ".values(routed_at=now))", ".values(routed_at=None))"),),
        IN_LINE,
        r"FAILED .*(test_an_event_becomes_one_delivery_for_each_receiver_once|test_many_events_are_routed)",
    ),
    Defect(
        "a late failure undoes what another worker has in hand",
        (
            Change(
                DELIVERIES,
                'bindparam("delivery_id"), deliveries.c.lease == bindparam("its_lease"))',
                'bindparam("delivery_id"), deliveries.c.lease != bindparam("its_lease") + "x")',
            ),
        ),
        IN_LINE,
        r"FAILED .*(test_a_late_failure_changes_nothing)",
    ),
    Defect(
        "a webhook gets a new id with every attempt",
        (
            Change(
                DELIVERIES, "webhook_id=row.webhook_id,\n        attempts", "webhook_id=uuid4().hex,\n        attempts"
            ),
        ),
        RELAYED,
        r"FAILED .*(under_its_id)",
    ),
    Defect(
        "only one of two keys signs",
        (Change("workbench/relaying.py", "body, parcel.secrets)", "body, parcel.secrets[:1])"),),
        RELAYED,
        r"FAILED .*(test_two_keys_sign)",
    ),
    Defect(
        "a webhook follows a redirect",
        (Change(SENDING, "follow_redirects=False", "follow_redirects=True"),),
        SENT_OUT,
        r"FAILED .*(test_a_redirect_is_not_followed)",
    ),
    Defect(
        "a webhook goes to a name that leads inside",
        (Change(SENDING, "if not all(is_allowed(address, target) for address in found):", "if not found:"),),
        SENT_OUT,
        r"FAILED .*(test_a_name_that_leads_inside)",
    ),
    Defect(
        "one public address among others is enough",
        (Change(SENDING, "if not all(is_allowed", "if not any(is_allowed"),),
        SENT_OUT,
        r"FAILED .*(test_one_inside_address_among_public_ones)",
    ),
    Defect(
        "a webhook is connected to by its name",
        (Change(SENDING, "url.copy_with(host=address)", "url"),),
        SENT_OUT,
        r"FAILED .*(test_a_name_that_leads_elsewhere_the_second_time)",
    ),
    Defect(
        "a certificate for another name is taken",
        (Change(SENDING, '{"sni_hostname": target.host}', '{"sni_hostname": "other.example"}'),),
        SENT_OUT,
        r"FAILED .*(held_against_the_name)",
    ),
    Defect(
        "an attempt has no end",
        (Change(SENDING, "asyncio.timeout(self._total)", "asyncio.timeout(60)"),),
        SENT_OUT,
        r"FAILED .*(test_an_attempt_ends_in_time)",
    ),
    Defect(
        "a chain without an anchor",
        (Change(CHECKPOINTS, "walk.hashes.get(each.seq) != each.tip", "walk.hashes.get(each.seq) is None"),),
        TAMPERED,
        r"FAILED .*(test_whatever_is_done_to_a_row_is_seen)",
    ),
)

#: Of the list in the promises, these belong to parts that are built later; their defects come with them.
LATER = ("a cache without the user in its key", "an export without neutralised formulas")


def main() -> int:
    folder = Path(tempfile.mkdtemp(prefix="workbench-defects-"))
    started = time.monotonic()
    try:
        checks = list(dict.fromkeys(defect.check for defect in DEFECTS))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            sound = list(
                pool.map(lambda number: _passes(folder / f"sound-{number}", checks[number]), range(len(checks)))
            )
            survived = list(
                pool.map(lambda number: _survives(folder / f"{number}", DEFECTS[number]), range(len(DEFECTS)))
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for name in LATER:
        print(f"later       {name}")
    caught = survived.count(False)
    print(f"\n{caught} of {len(DEFECTS)} defects caught in {time.monotonic() - started:.0f} s")
    return 0 if all(sound) and caught == len(DEFECTS) else 1


def _passes(folder: Path, check: Command) -> bool:
    """Whether a check passes on an unbroken copy."""
    _copy(folder)
    done = _run(folder, check)
    passed = done.returncode == 0
    print(f"{'passes' if passed else 'FAILS':<12}unbroken: {_named(check)}", flush=True)
    if not passed:
        print(done.stdout[-3_000:] + done.stderr[-2_000:], flush=True)
    return passed


def _survives(folder: Path, defect: Defect) -> bool:
    _copy(folder)
    for change in defect.changes:
        _apply(folder / change.path, change)
    done = _run(folder, defect.check)
    lines = [line.strip(" -") for line in done.stdout.splitlines() if re.search(defect.sign, line)]
    survives = done.returncode == 0 or not lines
    print(f"{'SURVIVED' if survives else 'caught':<12}{defect.name}", flush=True)
    if survives:
        print(f"{'':<12}{_named(defect.check)} ended with {done.returncode}, and nothing matched {defect.sign!r}")
        print(done.stdout[-3_000:] + done.stderr[-2_000:], flush=True)
    else:
        print(f"{'':<12}by {_named(defect.check)}: {lines[0][:160]}", flush=True)
    shutil.rmtree(folder)
    return survives


def _copy(folder: Path) -> None:
    folder.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)


def _apply(path: Path, change: Change) -> None:
    text = path.read_text(encoding="utf-8")
    if text.count(change.find) != 1:
        raise SystemExit(f"{change.path} holds this {text.count(change.find)} times, not once:\n{change.find}")
    path.write_text(text.replace(change.find, change.instead), encoding="utf-8")


def _run(folder: Path, check: Command) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder), "TMPDIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *check], cwd=folder, env=environment, capture_output=True, text=True, timeout=TOO_LONG
    )


def _named(check: Command) -> str:
    return " ".join(part for part in check if part not in ("-W", "ignore", "-m", "-q", "-p", "no:cacheprovider"))


if __name__ == "__main__":
    sys.exit(main())
