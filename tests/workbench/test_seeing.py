"""What a role is not shown is nowhere: every export, every answer over HTTP and every screen, with canaries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from sqlalchemy import select, update
from streamlit.testing.v1 import AppTest

from review_queue.addresses import Reach
from review_queue.exporting import ExportKind
from review_queue.incidents import Severity
from review_queue.items import Item, Outcome, Reason
from review_queue.masking import FieldClass
from review_queue.path_test import Part, PartState
from review_queue.roles import ALLOWED, Grant, Principal, Role, Task
from review_queue.showing import AiValues
from storage import one_item, path_tests, people
from storage.audit_search import Sought
from storage.engine import Database
from storage.tables import decisions, items
from storage.workflows import Workflow
from tests.builders import a_person, a_workflow, bring_in, choose, take
from workbench import known_reviews, reads, source_reads
from workbench.actions import (
    auditing,
    delivering,
    escalating,
    exporting,
    governing,
    issuing,
    path_testing,
    pausing,
    readying,
    reconciling,
    responding,
    reviewing,
    sourcing,
    telling,
)
from workbench.actions.auditing import AuditRefused
from workbench.actions.exporting import ExportRefused, Wanted
from workbench.actions.telling import DecisionsWanted, ItemsWanted
from workbench.api.shapes import DecisionShape, ItemShape
from workbench.mailing import Folder, MailNotSent
from workbench.navigation import PAGES, SCREENS
from workbench.settings import settings

NAMES, WORDS, AI_WORDS = "Quillnamed", "quillwritten", "quillmodelled"
CANARIES = (NAMES, WORDS, AI_WORDS)
HIDES = {field.value: {role.value: "masked" for role in Role} for field in FieldClass if field is not FieldClass.MONEY}
LADDER = [{"name": "first", "after_hours": 1, "since": "created", "who": "director"}]
FORECASTS = "series,period,ai_forecast,human_forecast,human_by,human_note,ai_rationale\n" + "".join(
    f"acme-{number},2026-12,1000,{1300 + 100 * number},{NAMES} author,{WORDS} note,{AI_WORDS} trend\n"
    for number in range(1, 5)
)


def work_in(database: Database, **policy: object) -> Workflow:
    """A workflow in which somebody with a telling name has decided, commented, skipped and handed on."""
    workflow = a_workflow(database, audit_share=0.0, escalation=LADDER, **policy)
    bring_in(database, workflow, FORECASTS)
    lines = "".join(f"acme-{number},forecast,crm,1300,2026-11-01,2026-12\n" for number in range(1, 5))
    said = "series,attribute,source,value,as_of,period\n" + lines
    bring_in(database, workflow, said, kind="sources")
    bring_in(database, workflow, f"series,period,ai_forecast,human_note\nacme-9,2026-12,none,{WORDS}\n")
    quill = a_person(database, f"{NAMES} person", Role.DIRECTOR)
    desk = take(database, quill, workflow)
    reviewing.comment(database, person_id=quill, item_id=desk.item.id, body=f"{WORDS} remark")
    why = Reason("CUST_RISK", text=f"{WORDS} reason", source_ref=f"{WORDS} source")
    reviewing.submit_decision(
        database, person_id=quill, workflow=workflow, choice=choose(desk, Outcome.ADJUST, value=1500.0, reason=why)
    )
    desk = take(database, quill, workflow)
    reviewing.comment(database, person_id=quill, item_id=desk.item.id, body=f"{WORDS} remark")
    choice = choose(desk, Outcome.ESCALATE, key="key-2", note=f"{WORDS} question")
    reviewing.submit_decision(database, person_id=quill, workflow=workflow, choice=choice)
    held = take(database, quill, workflow)
    sourcing.leave_out(database, person_id=quill, item_id=held.item.id, source="crm", reason=f"{WORDS} doubt")
    govern_in(database, workflow)
    with database.writing() as session:
        session.execute(update(decisions).values(owner=f"{NAMES} owner"))
    return workflow


class Refusing:
    """A mail server that tells whose mail it does not take."""

    def send(self, message: EmailMessage) -> None:
        raise MailNotSent(f"The mail server did not take it: {message['To']}")


def govern_in(database: Database, workflow: Workflow) -> None:
    """Somebody with a telling name pauses, hands over, tests, and has an incident of every kind of line."""
    owner = a_person(database, f"{NAMES} governor", Role.OWNER)
    who = {"person_id": owner, "workflow_key": workflow.key}
    pausing.choose_showing(database, **who, values=AiValues.PAUSED, note=f"{WORDS} pause")
    pausing.choose_showing(database, **who, values=AiValues.SHOWN, note=f"{WORDS} resumption")
    names = {"owner": f"{NAMES}@example.com", "deputy": f"{NAMES}-2@example.com"}
    governing.hand_over(database, **who, **names, note=f"{WORDS} hand-over")
    back = {"owner": f"{NAMES}-3@example.com", "deputy": f"{NAMES}-4@example.com"}
    governing.hand_over(database, **who, **back, note=f"{WORDS} return")
    path_testing.try_path(database, person_id=owner, workflow=workflow, post=Refusing(), sender="w@example.com")
    said = {"owner": f"{NAMES}@example.com can be reached.", "mail": f"A test mail went out to {NAMES}@example.com."}
    with database.writing() as session:  # as earlier versions of the program kept it
        parts = tuple(Part(name, PartState.OK, sentence) for name, sentence in said.items())
        path_tests.add(session, workflow.id, owner, parts, mailed=False)
    delivering.register(database, **who, url="https://example.com/in", reach=Reach())
    asked = {"severity": Severity.MINOR, "workflow": workflow}
    first = responding.open_incident(database, person_id=owner, title=f"{WORDS} title", **asked)
    mine = {"person_id": owner, "incident_id": first}
    responding.comment(database, **mine, body=f"{WORDS} comment")
    responding.hand_over(database, **mine, owner_id=owner, severity=Severity.MAJOR)
    responding.close(database, **mine, closing_note=f"{WORDS} end")
    responding.open_incident(database, person_id=owner, title=f"{WORDS} second", **asked)
    later = datetime.now(UTC) + timedelta(days=30)
    assert escalating.climb(database, now=later) > 0
    bring_in(database, workflow, "series,period,ai_forecast,human_forecast\nacme-8,2026-12,1000,1900\n")  # goes up next


def what_governing_shows(database: Database, workflow: Workflow, person: int) -> list[object]:
    who, here = {"person_id": person}, {"person_id": person, "workflow": workflow}
    user = {"person_id": person, "key": workflow.key}
    told = [
        pausing.showing_history(database, **here),
        governing.policy_versions(database, **user),
        governing.handover_history(database, **user),
        governing.registry(database, **who),
        governing.list_workflows(database, **who),
        governing.show_workflow(database, **user),
        readying.check_workflow(database, **user),
        path_testing.path_tests_of(database, **here),
        responding.list_incidents(database, **here),
        *(responding.whole_incident(database, **who, incident_id=number) for number in (1, 2)),
    ]
    with database.reading() as session:
        principal = people.principal(session, person)
    if principal.may(Task.RESPOND):
        told.append(responding.owners_to_be(database, **who, workflow_id=workflow.id))
    if escalating.may_rehearse(principal, workflow.id):
        told += [escalating.rehearse(database, **here), escalating.last_acts(database, **here)]
    if principal.may(Task.GOVERN):
        told.append(readying.open_for_review(database, **user))
    if principal.may(Task.DELIVER):
        told.append(delivering.watch(database, **who, workflow_key=workflow.key))
    if principal.may(Task.AUDIT):
        told.append(auditing.search(database, **who, workflow_key=workflow.key, sought=Sought()))
    return told


@pytest.fixture
def hidden(database: Database) -> Workflow:
    return work_in(database, masking=HIDES)


def every_item(database: Database, *, person_id: int) -> list[Item]:
    with database.reading() as session:
        who = people.principal(session, person_id)
        return [one_item.get(session, item_id, who) for item_id in session.execute(select(items.c.id)).scalars()]


def found_in(told: object) -> list[str]:
    return [canary for canary in CANARIES if canary in str(told)]


@pytest.mark.parametrize("role", [role for role in Role if role in ALLOWED[Task.EXPORT]])
def test_no_export_holds_what_the_role_is_not_shown(
    database: Database, hidden: Workflow, tmp_path: Path, role: Role
) -> None:
    person = a_person(database, "Max", role)
    for kind in ExportKind:
        path = tmp_path / f"{kind}.jsonl"
        wanted = Wanted(kind, with_text=True)
        if kind is ExportKind.WRITE_BACK:
            with pytest.raises(ExportRefused, match="your roles here hide part of that"):
                exporting.export(database, person_id=person, workflow_key=hidden.key, path=path, wanted=wanted)
            continue
        manifest = exporting.export(database, person_id=person, workflow_key=hidden.key, path=path, wanted=wanted)
        assert manifest.rows > 0
        mends = kind is ExportKind.SET_ASIDE and role in ALLOWED[Task.IMPORT]
        assert mends or found_in(path.read_text("utf-8") + str(manifest.as_json())) == [], kind


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.INTEGRATOR])
def test_no_answer_over_http_holds_it(database: Database, hidden: Workflow, role: Role) -> None:
    person = a_person(database, "Max", role)
    token = issuing.create_token(database, person_id=person, name="t", role=role).token.id
    page = {"token_id": token, "workflow_key": hidden.key, "after": 0, "limit": 50}

    items = telling.list_items(database, **page, wanted=ItemsWanted()).rows
    made = telling.list_decisions(database, **page, wanted=DecisionsWanted()).rows
    one = telling.read_decision(database, token_id=token, decision_id=made[0].id)
    item = telling.read_item(database, token_id=token, item_id=items[0].item.id)

    told = [*map(ItemShape.of, (*items, item)), *map(DecisionShape.of, (*made, one))]
    assert len(told) > 6
    assert found_in([each.model_dump_json() for each in told]) == []


@pytest.mark.parametrize("role", [role for role in Role if role in ALLOWED[Task.SEE_QUEUE]])
def test_nothing_that_screens_read_holds_it(database: Database, hidden: Workflow, role: Role) -> None:
    who = {"person_id": a_person(database, "Max", role)}
    here = {**who, "workflow_id": hidden.id}
    item = reviewing.take_next(database, **who, workflow=hidden).item if role in ALLOWED[Task.REVIEW] else None
    told = [
        reads.my_desk(database, **here),
        reads.open_items(database, **here, wanted=reads.Filter()).items.to_csv(),
        reads.past_decisions(database, **here).to_csv(),
        reads.receipt(database, **who, decision_id=1),
        reads.receipt(database, **who, decision_id=2),
        reconciling.look(database, **who, workflow=hidden, period="2026-12"),
        *(source_reads.weighed(database, **who, item=each) for each in every_item(database, **who)),
        *(reads.model_card(database, **who, item=each) for each in every_item(database, **who)),
        *([item, reads.story(database, **who, item=item), reads.comments(database, **who, item=item)] if item else []),
    ]

    assert found_in(told) == []


@pytest.mark.parametrize("role", [role for role in Role if role in ALLOWED[Task.SEE_QUEUE]])
def test_nothing_that_is_read_of_governing_holds_it(database: Database, hidden: Workflow, role: Role) -> None:
    told = what_governing_shows(database, hidden, a_person(database, "Max", role))

    assert [found for found in told if found_in(found)] == []


@pytest.mark.parametrize("role", [role for role in Role if role in ALLOWED[Task.RESPOND]])
def test_a_test_of_the_override_path_names_nobody_and_reaches_the_owner(
    database: Database, hidden: Workflow, tmp_path: Path, role: Role
) -> None:
    person = a_person(database, "Max", role)
    given = governing.show_workflow(database, person_id=person, key=hidden.key)

    found = path_testing.try_path(
        database, person_id=person, workflow=given, post=Folder(tmp_path), sender="w@example.com"
    )

    assert found_in(found) == []
    (mail,) = tmp_path.glob("*.eml")
    assert f"To: {NAMES}-3@example.com" in mail.read_text()


def test_the_parts_of_an_earlier_test_read_as_they_do_now(database: Database, hidden: Workflow) -> None:
    person = a_person(database, "Max", Role.REVIEWER)

    newest = path_testing.path_tests_of(database, person_id=person, workflow=hidden)[0]

    assert [part.sentence for part in newest.parts] == [
        "The owner can be reached.",
        "A test mail went out to the owner.",
    ]


def test_a_name_that_is_hidden_cannot_be_looked_for_in_the_record(database: Database, hidden: Workflow) -> None:
    person = a_person(database, "Max", Role.AUDITOR)

    with pytest.raises(AuditRefused, match="Your roles hide people's names here"):
        auditing.search(database, person_id=person, workflow_key=hidden.key, sought=Sought(person="Quill"))


def test_the_canaries_are_there_where_nothing_is_hidden(database: Database, tmp_path: Path) -> None:
    """Or else the tests here would find nothing whatever went out."""
    workflow = work_in(database)
    person = a_person(database, "Max", Role.AUDITOR)
    path = tmp_path / "overrides.jsonl"
    exporting.export(
        database, person_id=person, workflow_key=workflow.key, path=path, wanted=Wanted(ExportKind.OVERRIDES)
    )

    assert found_in(path.read_text("utf-8")) == [NAMES, WORDS]
    owner = a_person(database, "Omar", Role.OWNER)
    for told in what_governing_shows(database, workflow, owner):
        assert found_in(told), told
    assert found_in(reads.receipt(database, person_id=person, decision_id=1)) == list(CANARIES)


def test_a_screen_and_an_export_call_a_person_the_same(database: Database, hidden: Workflow, tmp_path: Path) -> None:
    person = a_person(database, "Max", Role.AUDITOR)
    path = tmp_path / "decisions.jsonl"
    exporting.export(
        database, person_id=person, workflow_key=hidden.key, path=path, wanted=Wanted(ExportKind.DECISIONS)
    )

    seen = reads.receipt(database, person_id=person, decision_id=1).decision.actor_name

    assert seen.startswith("Person ")
    assert f'"decided_by":"{seen}"' in path.read_text("utf-8").replace(": ", ":")


def test_what_is_left_out_is_no_column(database: Database, tmp_path: Path) -> None:
    masking = {"money": {"auditor": "left out"}, "text": {"auditor": "left out"}}
    workflow = work_in(database, masking=masking)
    person = a_person(database, "Max", Role.AUDITOR)

    manifest = exporting.export(
        database,
        person_id=person,
        workflow_key=workflow.key,
        path=tmp_path / "o.parquet",
        wanted=Wanted(ExportKind.OVERRIDES),
    )

    names = {column.name for column in manifest.columns}
    assert not names & {"money", "reason_text", "reason_source", "note"}
    assert {"decided_by", "final"} <= names
    assert manifest.text == "left out"


class TestScreens:
    """Every page, as each role, as it is drawn."""

    @pytest.fixture
    def database_url(self, sqlite_url: str) -> str:
        """What a page draws does not depend on the database beneath the actions, which are tested on both."""
        return sqlite_url

    @pytest.mark.parametrize("role", [Role.DIRECTOR, Role.AUDITOR, Role.ADMINISTRATOR])
    def test_no_page_shows_what_the_role_is_not_shown(
        self, database: Database, database_url: str, hidden: Workflow, monkeypatch: pytest.MonkeyPatch, role: Role
    ) -> None:
        monkeypatch.setenv("WORKBENCH_DATABASE_URL", database_url)
        settings.cache_clear()
        person = a_person(database, "Max", role)
        known_reviews.keep_reviews(database)
        user = Principal(person, "Max", (Grant(role),))
        monkeypatch.setattr("workbench.session.require_user", lambda: user)
        leaks = {}
        for screen in SCREENS:
            if screen.title == "People" or not user.may(screen.task):
                continue  # administrators look after people by name, and nobody else gets there
            at = AppTest.from_file(str(PAGES / screen.file), default_timeout=60)
            if screen.file == "receipt.py":
                at.query_params["decision"] = "1"
            at.run()
            assert not at.exception, screen.title
            typed = [box.value for box in (*at.text_input, *at.text_area)]
            told = found_in([at.main, *typed, *(frame.value.to_csv() for frame in at.dataframe)])
            if told:
                leaks[screen.title] = told
        settings.cache_clear()
        # Rows set aside are shown as they came to whoever may correct them, and a policy as it is to who may edit it.
        set_aside = {"Data": [WORDS]} if role in ALLOWED[Task.IMPORT] else {}
        assert leaks == set_aside | ({"Workflows": [NAMES]} if role in ALLOWED[Task.GOVERN] else {})
