"""The Data page: what it shows and does, run without a browser."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import pytest
import xlsxwriter
from sqlalchemy import func, select
from streamlit.testing.v1 import AppTest

from review_queue.roles import Role
from storage.engine import Database
from storage.tables import imports
from tests.builders import a_person, a_workflow, bring_in
from workbench import aside_parts, data_parts
from workbench.actions import importing
from workbench.actions.arriving import LEFT_OVER
from workbench.settings import settings

FILE = b"series,period,ai_forecast,mood\na,2026-12,1,**bold**\nb,2026-12,x,ok\n"


def page() -> None:
    """The page below its guard, for the person whose id stands in the session."""
    import streamlit as st

    from review_queue.roles import Task
    from storage import people
    from workbench import aside_parts, data_parts
    from workbench.session import choose_workflow, database

    with database().reading() as session:
        user = people.principal(session, st.session_state["person_id"])
    workflow = choose_workflow(user, key="data-workflow")
    may_import = user.may(Task.IMPORT, workflow.id)
    if may_import:
        data_parts.bring_in(user, workflow)
    aside_parts.rows_to_fix(user, workflow, may_import=may_import)
    data_parts.past_imports(user, workflow)


@pytest.fixture
def opened(database_url: str, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    """Open the page as somebody with these roles, with a workflow there."""
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", database_url)
    settings.cache_clear()
    monkeypatch.setattr(data_parts, "AT_ONCE", 60.0)  # no browser redraws the panel here
    a_workflow(database)

    def open_as(*roles: Role, within: str | None = None) -> AppTest:
        at = AppTest.from_function(page, default_timeout=60)
        at.session_state["person_id"] = a_person(database, "Dora", *roles, segment_path=within)
        return at.run()

    yield open_as
    settings.cache_clear()


def said(at: AppTest) -> str:
    kinds = (at.text, at.caption, at.success, at.info, at.error)
    return " ".join(element.value for kind in kinds for element in kind)


def test_an_empty_page_says_what_to_do(opened):
    at = opened(Role.DIRECTOR)

    assert not at.exception
    assert "Nothing has come in yet." in said(at)
    assert "Nothing is set aside." in said(at)


def test_a_file_is_checked_then_imported_then_its_bad_row_waits(opened):
    at = opened(Role.DIRECTOR)

    at.file_uploader(key="data-file").set_value([("new.csv", FILE, "text/csv")]).run()
    at.button(key="data-check").click().run()
    checked, metrics = said(at), [metric.value for metric in at.metric]
    at.button(key="data-import").click().run()

    assert not at.exception
    assert "Nothing was changed: this was a dry run." in checked
    assert metrics == ["2", "1", "0", "0", "1"]
    assert "Not taken in: mood." in said(at)
    assert at.button(key="data-retry").disabled


def test_somebody_without_the_role_sees_the_lists_and_no_upload(opened):
    at = opened(Role.REVIEWER)

    assert not at.exception
    assert len(at.get("file_uploader")) == 0
    assert "Nothing has come in yet." in said(at)


@pytest.mark.parametrize("role", [Role.REVIEWER, Role.DIRECTOR])
def test_whoever_covers_a_part_is_shown_no_rows_set_aside(opened, database, role):
    workflow = a_workflow(database, segments=["state"])
    bring_in(database, workflow, "series,period,ai_forecast,segment_state\nacme,2026-12,soon,Queensland\n")

    at = opened(role, within="Victoria\x1f")

    assert not at.exception
    assert "Whoever has a role in all of it sees them here." in said(at)
    assert [list(table.value["set_aside"]) for table in at.dataframe] == [[1]]  # the import is listed, its row is not


def test_a_file_that_cannot_be_read_says_why(opened):
    at = opened(Role.DIRECTOR)

    at.file_uploader(key="data-file").set_value([("new.csv", b"a,b\n\xff,1\n", "text/csv")]).run()

    assert not at.exception
    assert "is not UTF-8 text" in said(at)


def test_a_file_is_looked_into_once_until_it_is_imported(opened):
    at = opened(Role.DIRECTOR)

    at.file_uploader(key="data-file").set_value([("new.csv", FILE, "text/csv")]).run()
    first = at.session_state[data_parts.LOOK][1]
    at.button(key="data-check").click().run()
    checked = at.session_state[data_parts.LOOK][1]
    at.button(key="data-import").click().run()
    at.run()
    imported = at.session_state[data_parts.LOOK][1]
    at.selectbox(key="data-kind").select("history").run()
    other = at.session_state[data_parts.LOOK][1]

    assert not at.exception
    assert checked is first
    assert {match.grounds for match in imported.matches} == {"as last time"}
    assert "actual" in other.columns


def test_rows_that_are_not_shown_are_mentioned(opened, database):
    rows = "".join(f"s{n},2026-12,x\n" for n in range(1002))
    bring_in(database, a_workflow(database), f"series,period,ai_forecast\n{rows}")

    at = opened(Role.DIRECTOR)

    assert not at.exception
    assert "2 more wait behind the 1,000 rows here." in said(at)


def test_times_are_told_in_the_readers_zone(opened, database):
    bring_in(database, a_workflow(database), "series,period,ai_forecast\na,2026-12,1\n")

    at = opened(Role.REVIEWER)

    assert '"timezone": "UTC"' in at.dataframe[0].proto.columns


def test_a_cell_that_no_header_stands_above_is_shown_by_its_place(database):
    workflow = a_workflow(database)
    dora = a_person(database, "Dora", Role.DIRECTOR)
    bring_in(database, workflow, "series,period,ai_forecast\na,2026-12,1,234\nb,2026-12\n")
    rows = importing.list_set_aside(database, person_id=dora, workflow_key=workflow.key)

    table = aside_parts._aside_table(rows)
    shown = aside_parts._aside_columns(table)
    cells = [aside_parts._cells(row, table.iloc[place]) for place, row in enumerate(rows)]

    assert [config["label"] for name, config in shown.items() if name not in aside_parts.ASIDE_COLUMNS] == ["Cell 4"]
    assert list(table[LEFT_OVER + "4"]) == ["234", ""]
    assert cells == [row.cells for row in rows]


def test_rows_of_different_shapes_make_one_table_to_fix(database):
    workflow = a_workflow(database)
    dora = a_person(database, "Dora", Role.DIRECTOR)
    for content in (b"series,period,ai_forecast\na,2026-12,x\n", b"series,period,human_forecast\nb,2026-12,y\n"):
        importing.import_file(
            database, person_id=dora, workflow_key=workflow.key, kind="forecasts", name="a.csv", content=content
        )
    rows = importing.list_set_aside(database, person_id=dora, workflow_key=workflow.key)

    table = aside_parts._aside_table(rows)
    cells = [aside_parts._cells(row, table.iloc[place]) for place, row in enumerate(rows)]

    assert cells == [row.cells for row in rows]


def test_an_encoding_that_is_in_doubt_is_chosen_and_the_file_is_read(opened):
    at = opened(Role.DIRECTOR)
    content = "series,period,ai_forecast\nGenève,2026-12,1\n".encode("cp1252")

    at.file_uploader(key="data-file").set_value([("new.csv", content, "text/csv")]).run()
    asked = said(at)
    at.selectbox(key="data-encoding-new.csv").select("Windows-1252 (Western Europe)").run()
    at.button(key="data-import").click().run()

    assert not at.exception
    assert "could be “Genève” in Windows-1252" in asked
    assert "1 rows: 1 accepted" in said(at)


def test_a_sheet_is_chosen_and_its_first_rows_are_shown(opened):
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as workbook:
        for name, series in (("One", "a"), ("Two", "b")):
            sheet = workbook.add_worksheet(name)
            sheet.write_row(0, 0, ["series", "period", "ai_forecast"])
            sheet.write_row(1, 0, [series, "2026-12", 5])
    at = opened(Role.DIRECTOR)

    at.file_uploader(key="data-file").set_value([("new.xlsx", file.getvalue(), "")]).run()
    first = at.dataframe[0].value
    at.selectbox(key="data-sheet-new.xlsx").select("Two").run()
    second = at.dataframe[0].value

    assert not at.exception
    assert (first["1"].tolist(), second["1"].tolist()) == (["a"], ["b"])
    assert "Sheet: Two (as chosen)." in said(at)


def test_an_import_under_way_can_be_cancelled_and_changes_nothing(opened, database, monkeypatch):
    monkeypatch.setattr(data_parts, "AT_ONCE", 0.0)
    at = opened(Role.DIRECTOR)
    at.file_uploader(key="data-file").set_value([("new.csv", FILE, "text/csv")]).run()

    at.button(key="data-import").click().run()
    running = at.session_state[data_parts.RUNNING]
    at.button(key="data-cancel").click().run()
    with pytest.raises(importing.ImportCancelled):
        running.future.result(timeout=60)
    at.run()

    assert not at.exception
    assert "The import was cancelled." in said(at)
    with database.reading() as session:
        assert session.execute(select(func.count()).select_from(imports)).scalar_one() == 0
