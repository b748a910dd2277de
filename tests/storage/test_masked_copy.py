"""The masked copy: canaries in every text column of every table, none of them in the copy's bytes, and it works."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Column, String, Table, Text, cast, func, insert, literal, select, text, update

from review_queue.addresses import Reach
from review_queue.items import Outcome
from review_queue.roles import Role
from storage import masked_copy, schema, workflows
from storage.engine import Database, database_now, open_database
from storage.masked_copy import DERIVED, CopyRefused, Masking, untreated
from storage.tables import figure_comments, import_parts, metadata, saved_views
from tests import invariants
from tests.builders import BECAUSE, a_person, a_workflow, bring_in, choose, take
from workbench import auth, reads
from workbench.actions import delivering, issuing, reviewing

CANARY = "Quill Kanárek"
FORECASTS = (
    "series,period,ai_forecast,human_forecast,human_by,human_note,ai_rationale,segment_region\n"
    f"{CANARY} series 1,2026-12,1000,1900,{CANARY} author,{CANARY} note,{CANARY} rationale,{CANARY} region\n"
    f"{CANARY} series 2,2026-12,1000,1500,{CANARY} author,{CANARY} note,{CANARY} rationale,{CANARY} region\n"
    f"{CANARY} series 3,2026-12,not a number,1500,{CANARY} author,,,{CANARY} region\n"
)


@pytest.fixture
def worked_in(database: Database) -> Database:
    """A database in which people have worked, under names that begin with the canary."""
    workflow = a_workflow(
        database, key="canary-key", title=f"{CANARY} sales", segments=("region",), owner="quill.kanarek@example.com"
    )
    bring_in(database, workflow, FORECASTS)
    person = a_person(database, f"{CANARY} reviewer", Role.DIRECTOR, Role.OWNER)
    desk = take(database, person, workflow)
    choice = choose(desk, Outcome.ADJUST, value=1200.0, reason=BECAUSE)
    reviewing.submit_decision(database, person_id=person, workflow=workflow, choice=choice)
    reviewing.comment(database, person_id=person, item_id=desk.item.id, body=f"{CANARY} remark")
    auth.keep(database, "browser", person)
    issuing.create_token(database, person_id=person, name=f"{CANARY} token", role=Role.DIRECTOR)
    url = "https://hooks.example.com/kanarek-secret-path"
    delivering.register(database, person_id=person, workflow_key=workflow.key, url=url, reach=Reach())
    return database


def plant(database: Database) -> int:
    """The canary in every text column of every row that there is, as far as keys and checks allow; how many columns."""
    planted = 0
    for table in metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, String | Text) and table.name not in DERIVED and not _is_a_code(column):
                planted += _planted(database, table, column)
    return planted


def _is_a_code(column: Column) -> bool:
    return masked_copy.TREATED[f"{column.table.name}.{column.name}"] in (masked_copy._code, masked_copy._role)


def _planted(database: Database, table: Table, column: Column) -> bool:
    room = (getattr(column.type, "length", None) or 400) - 4  # behind it comes the row's id, so that keys hold
    if room < len("Quill"):
        return False  # a month, or one character between cells
    value = f"{CANARY} {table.name}.{column.name} "[:room]
    numbered = literal(value).concat(cast(table.c.id, String))
    with database.writing() as session:
        done = session.execute(update(table).values({column: numbered}))
        return bool(done.rowcount)


def bytes_of(file: Path) -> bytes:
    return b"".join(each.read_bytes() for each in sorted(file.parent.glob(f"{file.name}*")))


def found_in(file: Path) -> list[str]:
    content = bytes_of(file)
    words = ("Quill", "Kanárek", "kanarek", "Kanarek", "quill", "example.com", "budget", "Olga")
    return [word for word in words if word.encode() in content or word.encode("utf-16-le") in content]


def test_whoever_adds_a_column_says_what_becomes_of_it_in_a_copy() -> None:
    assert untreated() == [], "storage/masked_copy.py: TREATED says what becomes of each column"


def test_a_column_that_nobody_spoke_of_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(masked_copy.TREATED, "comments.body")
    monkeypatch.setitem(masked_copy.TREATED, "comments.gone", masked_copy._words)

    assert untreated() == ["comments.body", "comments.gone"]


def test_nothing_of_anybody_is_in_the_bytes_of_a_copy_and_every_row_is(worked_in: Database, tmp_path: Path) -> None:
    file = tmp_path / "copy.db"

    done = masked_copy.masked_copy(worked_in, file, scales=True)

    assert found_in(file) == []
    copy = open_database(f"sqlite:///{file}")
    counts = []
    for each in (worked_in, copy):
        with each.reading() as session:
            tables = masked_copy._copied()
            counts.append([session.execute(select(func.count()).select_from(table)).scalar_one() for table in tables])
    assert counts[0] == counts[1]
    assert sum(counts[1]) == done.rows
    assert invariants.violations(copy) == []
    copy.engine.dispose()


def test_canaries_in_every_text_column_of_every_table_are_gone(worked_in: Database, tmp_path: Path) -> None:
    database, file = worked_in, tmp_path / "copy.db"
    with database.writing() as session:
        body = io.BytesIO()
        pq.write_table(pa.table({"series": [f"{CANARY} x"], "Konto Kanarek": [f"{CANARY} y"]}), body)
        import_id = session.execute(text("SELECT min(id) FROM imports")).scalar_one()
        session.execute(insert(import_parts).values(import_id=import_id, number=99, body=body.getvalue()))
        some = {"workflow_id": 1, "person_id": 1}
        at = database_now(session)
        session.execute(insert(figure_comments).values(**some, body=f"{CANARY} figures", written_at=at))
        link = {"search": f"{CANARY} search"}
        session.execute(insert(saved_views).values(**some, page="queue", name=CANARY, link=link, saved_at=at))

    assert plant(database) > 40
    masked_copy.masked_copy(database, file)

    assert found_in(file) == []


@pytest.mark.parametrize("name", sorted(masked_copy.TREATED))
def test_what_becomes_of_a_column_holds_nothing_of_what_stood_in_it(name: str) -> None:
    """Also of columns whose tables have no row in the tests above."""
    table, _, column = name.partition(".")
    kind = type(metadata.tables[table].c[column].type).__name__
    treat, masking = masked_copy.TREATED[name], Masking(b"a" * 32, factor=1.5)
    words = {"JSON": _canaries_of(name), "String": CANARY, "Text": CANARY}
    if kind not in words or treat is masked_copy._role:
        return

    assert CANARY not in repr(treat(masking, words[kind]))


def _canaries_of(name: str) -> object:
    """JSON of the shape that the column holds, with the canary wherever text may be."""
    if name in ("items.why", "import_files.headers"):
        return [CANARY]
    if name == "policies.body":
        texts = dict.fromkeys(("key", "title", "unit", "purpose", "owner", "deputy", "timezone", "currency"), CANARY)
        nested = {"model_card": {"uses": CANARY}, "segments": [CANARY], "scope": {CANARY: [CANARY]}}
        sources = {"sources": {"attribute": CANARY, "half_life_days": {CANARY: 3}}}
        return {**texts, **nested, **sources, "alerts": [{"measure": CANARY}], "calendar": {"closed": [CANARY]}}
    if name == "forecasts.quantiles":
        return {"0.5": 1.0}
    if name in ("past_reviews.attributes", "imports.mapping", "set_aside_rows.cells"):
        return {CANARY: CANARY, "series": CANARY}
    return {CANARY: CANARY, "series": CANARY, "list": [CANARY, {"deep": CANARY}]}


def test_the_copy_works_with_the_same_relations_and_other_values(worked_in: Database, tmp_path: Path) -> None:
    file = tmp_path / "copy.db"
    masked_copy.masked_copy(worked_in, file, scales=True)
    copy = open_database(f"sqlite:///{file}")
    assert schema.current(copy) == schema.head()
    with copy.reading() as session:
        (workflow,) = workflows.all(session)
    auth.sign_in_as(copy, "somebody", Role.REVIEWER)
    someone = auth.person_of_browser(copy, "somebody")

    page = reads.open_items(copy, person_id=someone.person_id, workflow_id=workflow.id, wanted=reads.Filter())
    desk = reviewing.take_next(copy, person_id=someone.person_id, workflow=workflow)

    assert len(page.items) == 1
    assert desk.item.series.startswith("Series ")
    assert desk.item.segments[0].startswith("Segment ")
    assert desk.item.ai.value not in (1000.0, 0.0)
    one, other = desk.item.ai.value / 1000.0, desk.item.manual.value / 1500.0
    assert one == pytest.approx(other) or desk.item.manual.value / 1900.0 == pytest.approx(one)
    copy.engine.dispose()


def test_names_of_series_stay_if_asked_and_nothing_is_written_over(worked_in: Database, tmp_path: Path) -> None:
    file = tmp_path / "copy.db"
    masked_copy.masked_copy(worked_in, file, keeps_series=True)

    assert f"{CANARY} series 1".encode() in bytes_of(file)
    assert f"{CANARY} author".encode() not in bytes_of(file)
    with pytest.raises(CopyRefused, match="exists already"):
        masked_copy.masked_copy(worked_in, file)


def test_the_same_name_is_the_same_pseudonym_in_one_copy_and_not_in_another() -> None:
    one, other = Masking(b"a" * 32), Masking(b"b" * 32)

    assert one.alias("Person", "Ada") == one.alias("Person", "Ada") != one.alias("Person", "Bo")
    assert one.alias("Person", "Ada") != other.alias("Person", "Ada")
