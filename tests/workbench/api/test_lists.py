"""Lists over HTTP: every row once, in order, whatever comes in meanwhile; and what a blind reviewer may not see."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from review_queue.items import Act, Outcome, Stage
from review_queue.roles import Role
from storage.tables import decisions, forecasts, items
from tests.builders import BECAUSE, a_person, a_workflow, bring_in, choose, take
from tests.builders import forecasts as rows_of
from tests.workbench.api.conftest import everything, send
from workbench.actions import reviewing


@pytest.fixture
def sales(database):
    made = a_workflow(database)
    bring_in(database, made, rows_of(7))
    return made


def decide(database, person_id, workflow, outcome=Outcome.KEEP_MANUAL, *, key="key-1", **changes):
    desk = take(database, person_id, workflow)
    reason = BECAUSE if outcome is not Outcome.ACCEPT_AI else None
    choice = choose(desk, outcome, key=key, **{"reason": reason, **changes})
    return reviewing.submit_decision(database, person_id=person_id, workflow=workflow, choice=choice)


@pytest.mark.parametrize("limit", [1, 3, 7, 200])
def test_pages_together_are_the_whole_list_once_and_in_order(database, connect, sales, limit) -> None:
    found = everything(connect(), "/workflows/sales/items", limit=limit)

    with database.reading() as session:
        ids = session.execute(select(items.c.id).order_by(items.c.id)).scalars().all()
    assert [each["id"] for each in found] == ids
    assert len(ids) == 7


def test_what_comes_in_while_a_list_is_read_moves_nothing(connect, sales) -> None:
    client = connect()
    first = client.get("/workflows/sales/items", params={"limit": 3}).json()

    send(
        client, [{"series": f"aaa-{n}", "period": "2026-11", "ai_forecast": 1e9, "due_at": "2026-11-01"} for n in "xyz"]
    )
    rest = everything(client, "/workflows/sales/items", limit=3, cursor=first["next_cursor"])

    seen = [each["series"] for each in first["data"] + rest]
    assert seen == [f"acme-{n}" for n in range(1, 8)] + ["aaa-x", "aaa-y", "aaa-z"]


def test_a_decision_that_is_made_while_the_list_is_read_comes_last_and_once(database, connect, sales) -> None:
    ada, client = a_person(database, "Ada", Role.REVIEWER), connect()
    for number in range(3):
        decide(database, ada, sales, key=f"k{number}")
    first = client.get("/workflows/sales/decisions", params={"limit": 2}).json()

    late = decide(database, ada, sales, key="late")
    rest = everything(client, "/workflows/sales/decisions", limit=2, cursor=first["next_cursor"])

    ids = [each["id"] for each in first["data"] + rest]
    assert ids == sorted(set(ids))
    assert len(ids) == 4
    assert ids[-1] == late.id


def test_a_cursor_is_good_for_its_own_list_alone(database, connect, sales) -> None:
    other = a_workflow(database, key="retail", title="Retail")
    bring_in(database, other, rows_of(3))
    client = connect()
    cursor = client.get("/workflows/sales/items", params={"limit": 2}).json()["next_cursor"]
    damaged = (cursor[:-1], cursor + "A", cursor[::-1], "ü" * 22, "", "A" * 22)
    wrong = [
        client.get("/workflows/sales/decisions", params={"cursor": cursor}),
        client.get("/workflows/sales/items", params={"cursor": cursor, "state": "ready"}),
        client.get("/workflows/retail/items", params={"cursor": cursor}),
        *(client.get("/workflows/sales/items", params={"cursor": each}) for each in damaged),
    ]

    for refused in wrong:
        assert (refused.status_code, refused.json()["code"]) == (422, "CURSOR_INVALID")
    assert client.get("/workflows/sales/items", params={"cursor": cursor}).status_code == 200


def test_a_page_may_be_of_another_size_than_the_one_before(connect, sales) -> None:
    client = connect()
    cursor = client.get("/workflows/sales/items", params={"limit": 2}).json()["next_cursor"]

    page = client.get("/workflows/sales/items", params={"limit": 200, "cursor": cursor}).json()

    assert len(page["data"]) == 5
    assert page["next_cursor"] is None


def test_items_are_kept_by_state_period_and_series(database, connect, sales) -> None:
    send(connect(), [{"series": "acme-1", "period": "2027-01", "ai_forecast": 1}])
    ada, client = a_person(database, "Ada", Role.REVIEWER), connect()
    done = decide(database, ada, sales)

    def ids(**query: object) -> set[int]:
        return {each["id"] for each in everything(client, "/workflows/sales/items", **query)}

    assert ids(state="decided") == {done.item_id}
    assert ids(state=["decided", "ready"]) == ids()
    assert len(ids(state="ready")) == 7
    assert len(ids(period="2027-01")) == 1
    assert len(ids(series="acme-1")) == 2
    assert ids(series="ACME-1") == ids(series="acme") == ids(series="acme-1%") == set()


def test_decisions_are_kept_by_time_and_by_whether_they_stand(database, connect, sales) -> None:
    ada, client = a_person(database, "Ada", Role.REVIEWER), connect()
    first = decide(database, ada, sales)
    undo = reviewing.undo(database, person_id=ada, workflow=sales, decision_id=first.id, key="undo")
    second = decide(database, ada, sales, key="again")

    def told(**query: object) -> list[tuple[int, str, bool]]:
        found = everything(client, "/workflows/sales/decisions", **query)
        return [(each["id"], each["act"], each["stands"]) for each in found]

    assert told() == [
        (first.id, Act.DECIDE, False),
        (undo.id, Act.UNDO, False),
        (second.id, Act.DECIDE, True),
    ]
    assert told(standing="true") == [(second.id, "decide", True)]
    at = client.get(f"/decisions/{second.id}").json()["decided_at"]
    assert (second.id, "decide", True) in told(since=at)
    assert told(since=at.replace("Z", "+00:00")) == told(since=at)
    assert told(since="2199-01-01T00:00:00Z".replace("2199", "2198")) == []


def test_what_cannot_be_read_in_an_address_is_refused_in_words(connect, sales) -> None:
    client = connect()
    of_items = (
        "limit=0", "limit=201", "limit=ten", "limit=1_0", "limit=%2B1", "limit=1&limit=2", "state=lost", "period=%00",
        "series=a%0Ab", "surprise=1", "since=2026-01-01T00:00:00Z",
    )  # fmt: skip
    of_decisions = (
        "since=2026-01-01", "since=2026-01-01T00:00:00", "since=1767225600", "since=0001-01-01T00:00:00%2B23:59",
        "since=2026-02-30T00:00:00Z", "standing=yes", "state=ready",
    )  # fmt: skip

    for path in [*(f"items?{each}" for each in of_items), *(f"decisions?{each}" for each in of_decisions)]:
        refused = client.get(f"/workflows/sales/{path}")
        assert (refused.status_code, refused.json()["code"]) == (422, "PARAMETER_INVALID"), path
        assert refused.headers["content-type"] == "application/problem+json"


def test_what_can_name_nothing_is_not_there(connect, sales) -> None:
    client = connect()
    ids = ("0", "-1", "x", "9223372036854775807", "9223372036854775808", "9" * 500, "%00", "%F0%9F%92%A9")
    keys = ("%00", "SALES", "..%2F", "a" * 500, "ü")
    paths = [
        *(f"/{thing}/{each}" for thing in ("items", "decisions") for each in ids),
        *(f"/workflows/{each}/items" for each in keys),
        "/nowhere",
        "/no%0Awhere",
        "/workflows/",
    ]

    for path in paths:
        missing = client.get(path)
        assert missing.status_code == missing.json()["status"] == 404, path
        assert missing.headers["content-type"] == "application/problem+json"


def test_an_item_and_a_decision_say_what_the_database_knows(database, connect, sales) -> None:
    ada, client = a_person(database, "Ada", Role.REVIEWER), connect()
    done = decide(database, ada, sales)

    item, decision = client.get(f"/items/{done.item_id}").json(), client.get(f"/decisions/{done.id}").json()

    with database.reading() as session:
        row = session.execute(select(decisions).where(decisions.c.id == done.id)).one()
        kept = session.execute(select(items).where(items.c.id == done.item_id)).one()
        values = session.execute(
            select(forecasts.c.value).where(forecasts.c.item_id == done.item_id).order_by(forecasts.c.id)
        ).scalars().all()  # fmt: skip
    assert [item["ai"]["value"], item["manual"]["value"]] == values
    assert item["gap"] == values[1] - values[0] == kept.gap
    assert item["times_usual_miss"] == pytest.approx(item["gap"] / item["usual_miss"])
    assert (item["state"], item["band"], item["hidden"], item["naive"]) == ("decided", kept.band, None, None)
    assert item["ai"]["model_version"] == "m-1"
    assert item["created_at"].endswith("Z")
    assert (decision["item"], decision["final"], decision["outcome"]) == (done.item_id, values[1], "keep_manual")
    assert decision["reason"]["code"] == BECAUSE.code
    assert decision["reason"]["text"] == BECAUSE.text
    assert decision["decided_by_name"] == "Ada"
    seen = decision["seen"]
    assert (seen["ai"], seen["manual"], seen["gap"]) == (row.ai_value, row.manual_value, row.gap)
    assert seen["times_usual_miss"] == row.u
    assert decision["policy_version"] == sales.policy_version


# --- what is hidden ------------------------------------------------------------------------------------------------


def give_away(item: dict, ai: float) -> bool:
    """Whether anything in an answer tells the AI's value."""
    return str(ai) in str(item) or any(item[name] is not None for name in ("ai", "gap", "times_usual_miss"))


def test_a_second_review_stays_blind_whoever_asks(database, connect) -> None:
    sales = a_workflow(database, second_review_share=1)
    bring_in(database, sales, rows_of(1))
    ada = a_person(database, "Ada", Role.REVIEWER)
    ben = a_person(database, "Ben", Role.DIRECTOR)
    first = decide(database, ada, sales)
    program, director = connect(), connect(Role.DIRECTOR, person_id=ben)

    for client in (program, director):
        item = client.get(f"/items/{first.item_id}").json()
        assert item["hidden"] == "second_review"
        assert not give_away(item, 1000.0)
        assert client.get("/workflows/sales/items").json()["data"] == [item]
    # Ben could be the second; a program's account could not, and only it is told what was decided first.
    assert everything(director, "/workflows/sales/decisions") == []
    assert director.get(f"/decisions/{first.id}").status_code == 404
    assert program.get(f"/decisions/{first.id}").json()["is_provisional"]
    with database.reading() as session:
        assert session.execute(select(items.c.stage)).scalar_one() == Stage.SECOND


def test_somebody_who_could_be_second_learns_nothing_by_a_token_of_another_role(database, connect) -> None:
    sales = a_workflow(database, second_review_share=1)
    bring_in(database, sales, rows_of(1))
    ada, ben = a_person(database, "Ada", Role.REVIEWER), a_person(database, "Ben", Role.REVIEWER, Role.INTEGRATOR)
    first = decide(database, ada, sales)

    client = connect(person_id=ben)

    assert client.get("/token").json()["role"] == "integrator"
    assert everything(client, "/workflows/sales/decisions") == []
    assert client.get(f"/decisions/{first.id}").status_code == 404


def test_after_a_second_review_both_decisions_are_told_and_the_blind_one_without_what_it_hid(database, connect) -> None:
    sales = a_workflow(database, second_review_share=1, undo_seconds=0)
    bring_in(database, sales, rows_of(1))
    ada, ben = a_person(database, "Ada", Role.REVIEWER), a_person(database, "Ben", Role.REVIEWER)
    first = decide(database, ada, sales)
    second = decide(database, ben, sales, Outcome.ADJUST, key="second", value=first.final_value)

    told = everything(connect(), "/workflows/sales/decisions")

    assert [(each["id"], each["stage"], each["stands"]) for each in told] == [
        (first.id, 1, False),
        (second.id, 2, True),
    ]
    assert told[0]["seen"]["ai"] == 1000.0
    assert [told[1]["seen"][name] for name in ("ai", "ai_low", "gap", "times_usual_miss", "model_version")] == [
        None
    ] * 5


def test_who_is_to_name_a_number_first_does_not_learn_the_ais_by_a_token(database, connect) -> None:
    sales = a_workflow(database, human_first_share=1.0)
    bring_in(database, sales, rows_of(1, step=300))
    dana = a_person(database, "Dana", Role.DIRECTOR)
    director, program = connect(Role.DIRECTOR, person_id=dana), connect()

    (hidden,), (shown,) = everything(director, "/workflows/sales/items"), everything(program, "/workflows/sales/items")
    assert hidden["hidden"] == "number_first"
    assert not give_away(hidden, 1000.0)
    assert shown["ai"]["value"] == 1000.0

    desk = take(database, dana, sales)
    reviewing.name_number(
        database,
        person_id=dana,
        workflow=sales,
        item_id=desk.item.id,
        fence=desk.item.fence,
        value=900.0,
        knew_more=False,
    )
    assert director.get(f"/items/{desk.item.id}").json()["ai"]["value"] == 1000.0


def test_a_value_that_is_withheld_on_the_screens_is_withheld_here(database, connect) -> None:
    sales = a_workflow(database, withhold_width=0.1)
    bring_in(database, sales, rows_of(1))

    (item,) = everything(connect(), "/workflows/sales/items")

    assert item["hidden"] == "too_wide"
    assert not give_away(item, 1000.0)


def test_without_an_ai_forecast_nothing_is_hidden(database, connect) -> None:
    sales = a_workflow(database)
    bring_in(database, sales, "series,period,human_forecast\na,2026-12,5\n")

    (item,) = everything(connect(), "/workflows/sales/items")

    assert (item["ai"], item["gap"], item["hidden"], item["band"]) == (None, None, None, "one_sided")


def test_the_newest_forecast_of_a_source_stands(database, connect, sales) -> None:
    client = connect()
    send(client, [{"series": "acme-2", "period": "2026-12", "ai_forecast": 1234.5, "ai_rationale": "=2+2"[1:]}])

    (item,) = everything(client, "/workflows/sales/items", series="acme-2")

    assert item["ai"]["value"] == 1234.5
    assert item["ai"]["rationale"] == "2+2"
    assert item["manual"]["value"] == 1200.0
