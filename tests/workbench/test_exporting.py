"""Taking data out: what is in the files, what is not, and who may."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
import python_calamine
import xlsxwriter
from sqlalchemy import func, insert, select, text

from review_queue.errors import NotAllowed
from review_queue.exporting import ExportKind, Format, Holds, Mask, Out
from review_queue.items import Outcome, Reason
from review_queue.roles import Role, Task
from storage import exports, import_shapes, people
from storage.engine import Database
from storage.import_shapes import LeftOut
from storage.tables import actuals, audit_events, items, series
from storage.workflows import Workflow
from tests.builders import a_person, a_workflow, bring_in, choose, forecasts, take
from workbench.actions import exporting, importing, reviewing
from workbench.actions.exporting import Manifest, Wanted
from workbench.foreign.facts import Choices
from workbench.writing_files import ExportRefused, open_writer

FORMULA = Reason("CUST_RISK", text='=HYPERLINK("http://x")')


def out(
    database: Database, workflow: Workflow, person_id: int, path: Path, kind: str = "decisions", **more: object
) -> Manifest:
    wanted = Wanted(ExportKind(kind), **more)
    return exporting.export(database, person_id=person_id, workflow_key=workflow.key, path=path, wanted=wanted)


def rows_of(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def decide(database: Database, workflow: Workflow, person_id: int, *, reason: Reason | None = None) -> str:
    """Decide the next item, as an override where a reason is given; its series."""
    desk = take(database, person_id, workflow)
    outcome = Outcome.KEEP_MANUAL if reason else Outcome.ACCEPT_AI
    choice = choose(desk, outcome, key=f"key-{desk.item.id}", reason=reason)
    reviewing.submit_decision(database, person_id=person_id, workflow=workflow, choice=choice)
    return desk.item.series


@pytest.fixture
def sales(database: Database) -> Workflow:
    """A workflow of four items of which Ada decided three, one of them as an override."""
    workflow = a_workflow(database)
    bring_in(database, workflow, forecasts(4))
    ada = a_person(database, "Ada", Role.REVIEWER)
    decide(database, workflow, ada, reason=FORMULA)
    decide(database, workflow, ada)
    decide(database, workflow, ada)
    return workflow


@pytest.fixture
def olga(database: Database, sales: Workflow) -> int:
    return a_person(database, "Mona", Role.MANAGER)


def test_every_format_holds_the_same_decisions(database, sales, olga, tmp_path):
    made = {
        ending: out(database, sales, olga, tmp_path / f"d.{ending}") for ending in ("csv", "xlsx", "parquet", "jsonl")
    }

    from_csv = rows_of(tmp_path / "d.csv")
    from_json = [json.loads(line) for line in (tmp_path / "d.jsonl").read_text().splitlines()]
    from_parquet = pyarrow.parquet.read_table(tmp_path / "d.parquet").to_pylist()
    header, *sheet = python_calamine.load_workbook(tmp_path / "d.xlsx").get_sheet_by_index(0).to_python()
    from_xlsx = [dict(zip(header, row, strict=True)) for row in sheet]
    finals = [1000.0, 1000.0, 1400.0]
    assert sorted(float(row["final"]) for row in from_csv) == finals
    assert sorted(row["final"] for row in from_json) == finals
    assert sorted(row["final"] for row in from_parquet) == finals
    assert sorted(row["final"] for row in from_xlsx) == finals
    assert {manifest.rows for manifest in made.values()} == {3}
    assert [list(from_csv[0]), list(from_json[0]), header] == [list(from_parquet[0])] * 3
    assert from_parquet[0]["decided_at"].isoformat() == from_json[0]["decided_at"] == from_csv[0]["decided_at"]


def test_a_manifest_says_what_is_in_the_file(database, sales, olga, tmp_path):
    out(database, sales, olga, tmp_path / "d.csv")

    manifest = json.loads((tmp_path / "d.csv.manifest.json").read_text())
    content = (tmp_path / "d.csv").read_bytes()
    assert manifest["sha256"] == hashlib.sha256(content).hexdigest()
    assert (manifest["bytes"], manifest["rows"], manifest["workflow"], manifest["by"]) == (
        len(content),
        3,
        "sales",
        "Mona",
    )
    assert [column["name"] for column in manifest["columns"]] == list(rows_of(tmp_path / "d.csv")[0])
    assert datetime.fromisoformat(manifest["as_of"]).tzinfo is not None
    assert (manifest["kind"], manifest["format"], manifest["schema_version"]) == ("decisions", "csv", 1)
    assert "apostrophe" in manifest["formulas"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(("d.", ".d."))) == [
        "d.csv",
        "d.csv.manifest.json",
    ]


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_formulas_are_neutralised_where_a_spreadsheet_opens_the_file(database, sales, olga, tmp_path, ending):
    out(database, sales, olga, tmp_path / f"o.{ending}", "overrides")

    if ending == "csv":
        (row,) = rows_of(tmp_path / "o.csv")
    else:
        header, values = python_calamine.load_workbook(tmp_path / "o.xlsx").get_sheet_by_index(0).to_python()
        row = dict(zip(header, values, strict=True))
    assert row["reason_text"] == f"'{FORMULA.text}"


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_formulas_are_exact_elsewhere(database, sales, olga, tmp_path, ending):
    out(database, sales, olga, tmp_path / f"o.{ending}", "overrides")

    read = pyarrow.parquet.read_table(tmp_path / "o.parquet").to_pylist if ending == "parquet" else None
    (row,) = read() if read else [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert row["reason_text"] == FORMULA.text


def test_overrides_hold_their_reason_and_what_was_shown(database, sales, olga, tmp_path):
    out(database, sales, olga, tmp_path / "o.jsonl", "overrides")

    (row,) = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert (row["series"], row["ai"], row["manual"], row["final"]) == ("acme-4", 1000.0, 1400.0, 1400.0)
    assert (row["reason_code"], row["decided_by"], row["secondary_codes"]) == ("CUST_RISK", "Ada", [])


def test_labels_have_one_row_a_standing_decision_with_masked_people_and_no_text(database, sales, olga, tmp_path):
    key = b"k" * 32
    out(database, sales, olga, tmp_path / "l.jsonl", "labels", mask_key=key)

    rows = [json.loads(line) for line in (tmp_path / "l.jsonl").read_text().splitlines()]
    whole = (tmp_path / "l.jsonl").read_text() + (tmp_path / "l.jsonl.manifest.json").read_text().replace("Mona", "")
    assert len(rows) == 3
    assert {row["decided_by"] for row in rows} == {Mask(key).of("test|Ada")}
    assert "Ada" not in whole
    assert "HYPERLINK" not in whole
    assert {"reason_text", "note"} & set(rows[0]) == set()


def test_labels_with_text_hold_it(database, sales, olga, tmp_path):
    out(database, sales, olga, tmp_path / "l.jsonl", "labels", with_text=True)

    rows = [json.loads(line) for line in (tmp_path / "l.jsonl").read_text().splitlines()]
    assert FORMULA.text in {row["reason_text"] for row in rows}


def test_a_mask_without_a_key_of_ones_own_is_another_each_time(database, sales, olga, tmp_path):
    for name in ("a.jsonl", "b.jsonl"):
        out(database, sales, olga, tmp_path / name, "labels")

    masks = [{json.loads(line)["decided_by"] for line in (tmp_path / name).read_text().splitlines()}
             for name in ("a.jsonl", "b.jsonl")]  # fmt: skip
    assert [len(each) for each in masks] == [1, 1]
    assert masks[0] != masks[1]


def test_a_label_has_the_newest_actual_that_is_final(database, sales, olga, tmp_path):
    now = datetime.now(UTC)
    with database.writing() as session:
        known = select(series.c.id, items.c.period_start).join(items, items.c.series_id == series.c.id)
        of_two = known.where(series.c.key.in_(["acme-3", "acme-4"])).order_by(series.c.key)
        (third, start), (fourth, _) = session.execute(of_two).all()
        for series_id, value, final_at in (
            (fourth, 900.0, now - timedelta(days=2)),
            (fourth, 950.0, now - timedelta(days=1)),
            (third, 7.0, now + timedelta(days=1)),
        ):
            session.execute(insert(actuals).values(series_id=series_id, period="2026-12", period_start=start,
                                                   value=value, final_at=final_at, received_at=now))  # fmt: skip

    out(database, sales, olga, tmp_path / "l.jsonl", "labels")

    rows = {row["series"]: row for row in map(json.loads, (tmp_path / "l.jsonl").read_text().splitlines())}
    assert rows["acme-4"]["actual"] == 950.0
    assert rows["acme-3"]["actual"] is None


def test_an_undone_decision_no_longer_stands(database, sales, olga, tmp_path):
    ada = a_person(database, "Bo", Role.REVIEWER)
    desk = take(database, ada, sales)
    done = reviewing.submit_decision(
        database, person_id=ada, workflow=sales, choice=choose(desk, Outcome.ACCEPT_AI, key="bo")
    )
    reviewing.undo(database, person_id=ada, workflow=sales, decision_id=done.id, key="bo-undo")

    out(database, sales, olga, tmp_path / "d.jsonl")
    labels = out(database, sales, olga, tmp_path / "l.jsonl", "labels")

    rows = {row["decision"]: row for row in map(json.loads, (tmp_path / "d.jsonl").read_text().splitlines())}
    assert (rows[done.id]["stands"], rows[done.id]["outcome"]) == (False, "accept_ai")
    assert [row["act"] for row in rows.values()].count("undo") == 1
    assert labels.rows == 3


def test_since_keeps_to_what_came_later(database, sales, olga, tmp_path):
    later = out(database, sales, olga, tmp_path / "d.csv", since=datetime.now(UTC) + timedelta(hours=1))
    earlier = out(database, sales, olga, tmp_path / "e.csv", since=datetime.now(UTC) - timedelta(hours=1))

    assert (later.rows, earlier.rows) == (0, 3)
    assert rows_of(tmp_path / "d.csv") == []


def test_audit_events_go_out_and_the_export_is_one(database, sales, olga, tmp_path):
    first = out(database, sales, olga, tmp_path / "a.csv", "audit")
    out(database, sales, olga, tmp_path / "b.jsonl", "audit")

    events = [json.loads(line) for line in (tmp_path / "b.jsonl").read_text().splitlines()]
    assert events[-1]["action"] == "export"
    assert events[-1]["details"]["sha256"] == first.sha256
    assert events[-1]["actor"] == "Mona"
    assert len(events) == first.rows + 1


def test_rows_set_aside_go_out_with_their_cells(database, sales, olga, tmp_path):
    bring_in(database, sales, "series,period,ai_forecast\nx,2026-12,oops\n")

    out(database, sales, olga, tmp_path / "s.jsonl", "set-aside")

    (row,) = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    assert (row["code"], row["row"], row["cells"]["ai_forecast"]) == ("NOT_A_NUMBER", 2, "oops")


# --- who may -------------------------------------------------------------------------------------------------------

PLACED = "series,period,ai_forecast,human_forecast,segment_state\nn,2026-12,100,150,North\ns,2026-12,100,180,South\n"


@pytest.mark.parametrize("role", list(Role))
def test_only_roles_that_may_take_data_out_do(database, sales, tmp_path, role):
    person = a_person(database, "Somebody", role)
    with database.reading() as session:
        may = people.principal(session, person).may(Task.EXPORT, sales.id)

    if may:
        assert out(database, sales, person, tmp_path / "d.csv").rows == 3
    else:
        with pytest.raises(NotAllowed):
            out(database, sales, person, tmp_path / "d.csv")
        assert not (tmp_path / "d.csv").exists()


@pytest.mark.parametrize(("kind", "expected"), [("decisions", {"n"}), ("overrides", {"n"}), ("labels", {"n"}),
                                                ("write-back", {"n"})])  # fmt: skip
def test_a_part_of_the_tree_is_all_that_its_director_takes_out(database, tmp_path, kind, expected):
    workflow = a_workflow(database, segments=("state",))
    bring_in(database, workflow, PLACED)
    ada = a_person(database, "Ada", Role.REVIEWER)
    for _ in range(2):
        decide(database, workflow, ada, reason=Reason("CUST_RISK", text="so"))
    dora = a_person(database, "Dora", Role.DIRECTOR, segment_path="North\x1f")

    manifest = out(database, workflow, dora, tmp_path / "d.csv", kind)
    events = out(database, workflow, dora, tmp_path / "a.jsonl", "audit")

    assert {row["series"] for row in rows_of(tmp_path / "d.csv")} == expected
    assert manifest.scope == ("North",)
    with database.reading() as session:
        north = select(items.c.id).join(series, series.c.id == items.c.series_id).where(series.c.key == "n")
        theirs = select(func.count()).where(audit_events.c.item_id.in_(north))
        assert events.rows == session.execute(theirs).scalar_one()
    with pytest.raises(ExportRefused, match="Rows set aside belong to no part"):
        out(database, workflow, dora, tmp_path / "s.csv", "set-aside")


def test_what_would_give_a_blind_review_away_stays_in(database, tmp_path):
    workflow = a_workflow(database, second_review_share=1.0)
    bring_in(database, workflow, forecasts(1))
    ada = a_person(database, "Ada", Role.REVIEWER)
    decide(database, workflow, ada)
    could_be_second = a_person(database, "Dora", Role.DIRECTOR)
    auditor = a_person(database, "Ute", Role.AUDITOR)

    blind = out(database, workflow, could_be_second, tmp_path / "d.jsonl")
    seen = out(database, workflow, auditor, tmp_path / "e.jsonl")
    labels = out(database, workflow, auditor, tmp_path / "l.jsonl", "labels")

    assert (blind.rows, seen.rows) == (0, 1)
    assert labels.rows == 0  # provisional: nothing stands yet


def test_without_its_audit_event_no_export_is_handed_over(database, sales, olga, tmp_path):
    with database.writing() as session:
        if database.dialect == "sqlite":
            session.execute(
                text("CREATE TRIGGER shut BEFORE INSERT ON audit_events BEGIN SELECT RAISE(ABORT, 'shut'); END")
            )
        else:
            session.execute(text("ALTER TABLE audit_events ADD CONSTRAINT shut CHECK (action <> 'export') NOT VALID"))

    with pytest.raises(Exception, match="shut"):
        out(database, sales, olga, tmp_path / "d.csv")

    assert not [path for path in tmp_path.iterdir() if "d.csv" in path.name]


# --- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "more", "said"),
    [
        ("d.txt", {}, "d.txt does not say how to write it. End its name with one of .csv"),
        ("nowhere/d.csv", {}, "There is no folder"),
        ("d.csv", {"kind": "write-back", "batch": 99}, "No file of forecasts came into Sales as batch 99"),
        ("d.csv", {"kind": "write-back", "into": "Plan"}, "has no column 'Plan' for the final value"),
    ],
)
def test_what_cannot_be_written_is_refused_with_what_to_do(database, sales, olga, tmp_path, name, more, said):
    with pytest.raises(ExportRefused, match=said):
        out(database, sales, olga, tmp_path / name, **more)

    assert not [path for path in tmp_path.iterdir() if path.suffix in (".csv", ".txt")]


# --- many rows, in pieces ------------------------------------------------------------------------------------------


def test_pieces_join_without_a_gap_or_a_repetition(database, sales, olga, tmp_path, monkeypatch):
    whole = out(database, sales, olga, tmp_path / "a.csv", "audit")
    monkeypatch.setattr(exports, "AT_ONCE", 2)

    pieces = out(database, sales, olga, tmp_path / "b.csv", "audit")

    assert whole.rows > 4
    assert [row["event"] for row in rows_of(tmp_path / "b.csv")][:-1] == [
        row["event"] for row in rows_of(tmp_path / "a.csv")
    ]
    assert pieces.rows == whole.rows + 1


# --- written back --------------------------------------------------------------------------------------------------

CAME = (
    'Konto;Monat;Plan;Bemerkung;Modell;"P10";P90\n'
    "acme-2;2026-12;1200;-x;1000;900;1100\n"
    "kaputt;2026-12;oops;;1000;900;1100\n"
    "acme-1;2026-12;1100;00123;1000;900;1100\n"
    "offen;2026-12;1010;-5.5;1000;900;1100\n"
)
MAP = {"series": "Konto", "period": "Monat", "human_forecast": "Plan", "ai_forecast": "Modell", "ai_low": "P10",
       "ai_high": "P90"}  # fmt: skip


@pytest.fixture
def theirs(database: Database) -> Workflow:
    """A workflow whose forecasts came in a shape of somebody else's, two of three items decided."""
    workflow = a_workflow(database)
    with database.reading() as session:
        owner = people.find(session, "test", "owner")
    importing.import_file(database, person_id=owner, workflow_key="sales", kind="forecasts", name="plan.csv",
                          content=CAME.encode(), mapping=MAP)  # fmt: skip
    ada = a_person(database, "Ada", Role.REVIEWER)
    assert {decide(database, workflow, ada, reason=FORMULA), decide(database, workflow, ada, reason=FORMULA)} == {
        "acme-1",
        "acme-2",
    }
    return workflow


def test_decisions_go_back_in_the_shape_that_came(database, theirs, tmp_path):
    mona = a_person(database, "Mona", Role.MANAGER)

    manifest = out(database, theirs, mona, tmp_path / "back.csv", "write-back")

    rows = rows_of(tmp_path / "back.csv", ";")
    assert list(rows[0])[:7] == ["Konto", "Monat", "Plan", "Bemerkung", "Modell", "P10", "P90"]
    assert [(row["Konto"], row["Plan"], row["Bemerkung"], row["final_forecast"]) for row in rows] == [
        ("acme-2", "1200", "'-x", "1200.0"),
        ("acme-1", "1100", "00123", "1100.0"),
    ]
    assert rows[0]["outcome"] == "keep_manual"
    assert (manifest.batch, manifest.rows) == (1, 2)


def test_the_final_value_goes_into_a_column_of_the_file_and_adds_none(database, theirs, tmp_path):
    mona = a_person(database, "Mona", Role.MANAGER)

    out(database, theirs, mona, tmp_path / "back.xlsx", "write-back", into="Modell")

    header, *rows = python_calamine.load_workbook(tmp_path / "back.xlsx").get_sheet_by_index(0).to_python()
    assert header == ["Konto", "Monat", "Plan", "Bemerkung", "Modell", "P10", "P90"]
    assert rows == [
        ["acme-2", "2026-12", 1200.0, "'-x", 1200.0, 900.0, 1100.0],
        ["acme-1", "2026-12", 1100.0, "00123", 1100.0, 900.0, 1100.0],
    ]


TO_CORRECT = "series,period,ai_forecast,human_forecast\nacme,2026-12,1000,1300\nbolt,2026-12,x,7.5\n"


def corrected(database: Database, person_id: int, **cells: str) -> None:
    """The one row that waits, put right."""
    (row,) = importing.list_set_aside(database, person_id=person_id, workflow_key="sales")
    importing.retry_rows(database, person_id=person_id, fixes={row.id: cells})


def test_a_row_that_was_corrected_here_is_written_back_with_its_file(database, tmp_path, monkeypatch):
    monkeypatch.setattr(import_shapes, "AT_ONCE", 1)
    workflow, dora = a_workflow(database), a_person(database, "Dora", Role.DIRECTOR)
    bring_in(database, workflow, TO_CORRECT)
    corrected(database, dora, ai_forecast="800")
    ada = a_person(database, "Ada", Role.REVIEWER)
    assert {decide(database, workflow, ada, reason=FORMULA) for _ in range(2)} == {"acme", "bolt"}

    manifest = out(database, workflow, dora, tmp_path / "back.csv", "write-back")

    rows = rows_of(tmp_path / "back.csv")
    assert [(row["series"], row["ai_forecast"], row["final_forecast"]) for row in rows] == [
        ("acme", "1000", "1300.0"),
        ("bolt", "x", "7.5"),
    ]
    assert (manifest.batch, manifest.left_out) == (1, LeftOut(rows=0, items=0))


def test_rows_that_a_file_brought_only_the_second_time_are_written_back_too(database, tmp_path):
    dora = a_person(database, "Dora", Role.DIRECTOR)
    came = "series,period,ai_forecast,human_forecast,segment_state\nn,2026-12,100,150,N\ns,2026-12,100,180,S\n"
    bring_in(database, a_workflow(database, segments=["state"], scope={"state": ["N"]}), came)
    workflow = a_workflow(database, segments=["state"], scope={"state": ["N", "S"]})
    bring_in(database, workflow, came)
    ada = a_person(database, "Ada", Role.REVIEWER)
    assert {decide(database, workflow, ada, reason=FORMULA) for _ in range(2)} == {"n", "s"}

    manifest = out(database, workflow, dora, tmp_path / "back.csv", "write-back")

    assert [row["series"] for row in rows_of(tmp_path / "back.csv")] == ["n", "s"]
    assert manifest.left_out == LeftOut(rows=0, items=0)


def test_the_manifest_of_a_file_written_back_counts_what_is_not_in_it(database, tmp_path):
    workflow, dora = a_workflow(database), a_person(database, "Dora", Role.DIRECTOR)
    came = b"series,A,B,ai_forecast\nacme,2026-11,2026-12,1000\nbolt,,2026-12,900\nkaputt,,,1\n"
    for period in ("A", "B"):
        importing.import_file(database, person_id=dora, workflow_key="sales", kind="forecasts", name="plan.csv",
                              content=came, mapping={"period": period})  # fmt: skip
    ada = a_person(database, "Ada", Role.REVIEWER)
    for _ in range(3):
        decide(database, workflow, ada)

    manifest = out(database, workflow, dora, tmp_path / "back.csv", "write-back")
    later = out(
        database, workflow, dora, tmp_path / "later.csv", "write-back", since=datetime.now(UTC) + timedelta(days=1)
    )

    assert [row["series"] for row in rows_of(tmp_path / "back.csv")] == ["acme", "bolt"]
    assert manifest.left_out == LeftOut(rows=1, items=1), "kaputt, and acme for December"
    told = json.loads((tmp_path / "back.csv.manifest.json").read_text())
    assert (told["rows_without_decision"], told["decided_items_left_out"]) == (1, 1)
    assert manifest.sentences() == [
        "Rows of the file that carry no decision, and are left out: 1.",
        "Decided items that came with the file, and are in none of its rows here: 1.",
    ]
    assert (later.rows, later.left_out) == (0, LeftOut(rows=3, items=0))


def test_an_export_of_another_kind_leaves_no_rows_of_a_file_out(database, sales, olga, tmp_path):
    manifest = out(database, sales, olga, tmp_path / "d.csv")

    assert (manifest.left_out, manifest.as_json()["rows_without_decision"], manifest.sentences()) == (None, None, [])


def test_two_sheets_of_one_file_are_two_shapes(database, tmp_path):
    workflow, dora = a_workflow(database), a_person(database, "Dora", Role.DIRECTOR)
    header = ("series", "period", "ai_forecast")
    made = io.BytesIO()
    with xlsxwriter.Workbook(made) as book:
        for name, line in {"One": ("acme", "2026-12", "x"), "Two": ("bolt", "2026-12", "y")}.items():
            sheet = book.add_worksheet(name)
            sheet.write_row(0, 0, header)
            sheet.write_row(1, 0, line)
    for name in ("One", "Two"):
        importing.import_file(database, person_id=dora, workflow_key="sales", kind="forecasts", name="plan.xlsx",
                              content=made.getvalue(), choices=Choices(sheet=name))  # fmt: skip
    rows = importing.list_set_aside(database, person_id=dora, workflow_key="sales")
    importing.retry_rows(database, person_id=dora, fixes={row.id: {"ai_forecast": "5"} for row in rows})
    ada = a_person(database, "Ada", Role.REVIEWER)
    for _ in range(2):
        decide(database, workflow, ada)

    for batch, name in ((1, "acme"), (2, "bolt")):
        out(database, workflow, dora, tmp_path / "back.csv", "write-back", batch=batch)
        assert [row["series"] for row in rows_of(tmp_path / "back.csv")] == [name]


def test_the_sign_that_a_file_is_read_by_the_second_time_is_the_one_it_is_written_back_with(database, tmp_path):
    workflow, dora = a_workflow(database), a_person(database, "Dora", Role.DIRECTOR)
    came = b"series|period|ai_forecast|human_forecast\nacme|2026-12|1,000|1,250\n"
    for decimal in ("point", "comma"):
        importing.import_file(database, person_id=dora, workflow_key="sales", kind="forecasts", name="plan.csv",
                              content=came, choices=Choices(decimal=decimal))  # fmt: skip
    decide(database, workflow, a_person(database, "Ada", Role.REVIEWER), reason=FORMULA)

    out(database, workflow, dora, tmp_path / "back.csv", "write-back", into="human_forecast")

    assert rows_of(tmp_path / "back.csv", "|")[0]["human_forecast"] == "1,25"


WITH_COMMAS = "series;period;ai_forecast;human_forecast;ours\nacme;2026-12;1234,5;1234,567;\n"


@pytest.mark.parametrize(
    ("into", "values"),
    [
        ("human_forecast", {"human_forecast": "1234,567"}),
        ("ours", {"human_forecast": "1234,567", "ours": "1234,567"}),
        (None, {"human_forecast": "1234,567", "ours": "", "final_forecast": "1234,567"}),
    ],
)
def test_a_final_value_is_written_with_the_decimal_comma_of_its_file(database, tmp_path, into, values):
    workflow = a_workflow(database)
    bring_in(database, workflow, WITH_COMMAS)
    decide(database, workflow, a_person(database, "Ada", Role.REVIEWER), reason=FORMULA)
    dora = a_person(database, "Dora", Role.DIRECTOR)

    out(database, workflow, dora, tmp_path / "back.csv", "write-back", into=into)

    (row,) = rows_of(tmp_path / "back.csv", ";")
    assert {name: row[name] for name in values} == values
    assert row["ai_forecast"] == "1234,5"
    again = importing.import_file(database, person_id=dora, workflow_key="sales", kind="forecasts", name="back.csv",
                                  content=(tmp_path / "back.csv").read_bytes())  # fmt: skip
    assert (again.counts.rows, again.counts.unchanged) == (1, 1)


@pytest.mark.parametrize("into", ["human_forecast", None])
def test_a_negative_number_with_a_decimal_comma_is_no_formula(database, tmp_path, into):
    workflow = a_workflow(database)
    bring_in(database, workflow, "series;period;ai_forecast;human_forecast\nacme;2026-12;-1.234,5;-34,567\n")
    decide(database, workflow, a_person(database, "Ada", Role.REVIEWER), reason=FORMULA)
    mona = a_person(database, "Mona", Role.MANAGER)

    out(database, workflow, mona, tmp_path / "back.csv", "write-back", into=into)

    row = rows_of(tmp_path / "back.csv", ";")[0]
    assert (row["ai_forecast"], row["human_forecast"], row.get("final_forecast", "-34,567")) == (
        "-1.234,5",
        "-34,567",
        "-34,567",
    )


def test_each_column_has_the_decimal_sign_that_it_came_with(database, tmp_path):
    workflow = a_workflow(database)
    bring_in(database, workflow, "series;period;ai_forecast;human_forecast\nacme;2026-12;1234,5;1234.75\n")
    decide(database, workflow, a_person(database, "Ada", Role.REVIEWER), reason=FORMULA)
    mona = a_person(database, "Mona", Role.MANAGER)

    out(database, workflow, mona, tmp_path / "ai.csv", "write-back", into="ai_forecast")
    out(database, workflow, mona, tmp_path / "human.csv", "write-back", into="human_forecast")

    assert rows_of(tmp_path / "ai.csv", ";")[0]["ai_forecast"] == "1234,75"
    assert rows_of(tmp_path / "human.csv", ";")[0]["human_forecast"] == "1234.75"


def test_in_a_spreadsheet_a_final_value_is_a_number_whatever_the_sign_of_its_file(database, tmp_path):
    workflow = a_workflow(database)
    bring_in(database, workflow, WITH_COMMAS)
    decide(database, workflow, a_person(database, "Ada", Role.REVIEWER), reason=FORMULA)
    mona = a_person(database, "Mona", Role.MANAGER)

    out(database, workflow, mona, tmp_path / "back.xlsx", "write-back", into="ours")

    rows = python_calamine.load_workbook(tmp_path / "back.xlsx").get_sheet_by_index(0).to_python()
    assert rows[1] == ["acme", "2026-12", "1234,5", "1234,567", 1234.567]


def test_a_file_written_back_can_be_brought_in_again_and_changes_nothing(database, theirs, tmp_path):
    dora = a_person(database, "Dora", Role.DIRECTOR)
    out(database, theirs, dora, tmp_path / "back.csv", "write-back")

    again = importing.import_file(database, person_id=dora, workflow_key="sales", kind="forecasts", name="back.csv",
                                  content=(tmp_path / "back.csv").read_bytes())  # fmt: skip

    assert (again.counts.rows, again.counts.unchanged) == (2, 2)


def test_each_batch_has_the_shape_that_it_came_in(database, theirs, tmp_path):
    bring_in(database, theirs, "series,period,ai_forecast\nacme-1,2026-12,1000\n")
    mona = a_person(database, "Mona", Role.MANAGER)

    newest = out(database, theirs, mona, tmp_path / "new.csv", "write-back")
    first = out(database, theirs, mona, tmp_path / "old.csv", "write-back", batch=1)

    assert [column.name for column in newest.columns][:3] == ["series", "period", "ai_forecast"]
    assert [column.name for column in first.columns][:3] == ["Konto", "Monat", "Plan"]


def test_numbers_survive_the_way_out_and_in_to_the_last_digit(tmp_path):
    values = [0.1 + 0.2, 1e300, -5e-324, 123456789.123456789, -0.0, 2.0**53]
    table = pa.table({"x": pa.array(values, type=pa.float64())})
    writer = open_writer(tmp_path / "n.csv", Format.CSV, [Out("x", Holds.NUMBER)], table.schema)
    writer.write(table)
    writer.close()

    assert [float(row["x"]) for row in rows_of(tmp_path / "n.csv")] == values
    assert pd.read_csv(tmp_path / "n.csv", float_precision="round_trip")["x"].tolist() == values
