"""The simulated organisation: its size, its honesty, and that what was planted in it is really there.

The planted truths are worked out here from the stored rows, with pandas and SciPy alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu
from sqlalchemy import URL, Table, create_engine, func, select, text
from sqlalchemy.exc import DBAPIError
from typer.testing import CliRunner

from review_queue.divergence import diverge
from review_queue.items import FINAL_OUTCOMES, Act, Outcome, State
from review_queue.priority import place
from review_queue.reasons import REASONS
from review_queue.roles import Task
from storage import people, schema, simulation, tables, workflows
from storage.engine import Database, database_now, open_database
from storage.simulation import DatabaseNotEmpty
from workbench import demo
from workbench.cli import app
from workbench.demo_world import World

pytestmark = pytest.mark.one_kind

NOW = datetime(2026, 3, 18, 11, 20, tzinfo=UTC)  # a Wednesday, on which no month becomes final
WORLD = World()
SMALL = World(series_per_territory=3, bottleneck_series=6, undone=5, overturned=5)
_number = count()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database with the simulated organisation in it, on either kind; the tests only read it."""
    if request.param == "sqlite":
        opened = open_database(f"sqlite:///{tmp_path_factory.mktemp('demo')}/demo.db")
    else:
        server: URL = request.getfixturevalue("postgresql_server")
        name = f"demo_{next(_number)}"
        with create_engine(server, isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template"))
        opened = open_database(server.set(database=name))
    schema.upgrade(opened)
    demo.load(opened, now=NOW)
    yield opened
    opened.engine.dispose()


def read(database: Database, table: Table) -> pd.DataFrame:
    with database.reading() as session:
        rows = session.execute(select(table).order_by(table.c.id)).all()
    return pd.DataFrame(rows, columns=[column.name for column in table.columns])


def standing(database: Database) -> pd.DataFrame:
    """The final decisions that nothing superseded, with item, actor, territory and actual (NaN: not known)."""
    made = read(database, tables.decisions)
    final = made[made["outcome"].isin(FINAL_OUTCOMES) & ~made["id"].isin(made["supersedes_id"])]
    items = read(database, tables.items).rename(columns={"id": "item_id"})
    named = final.merge(items[["item_id", "series_id", "segment_id", "period", "created_at", "due_at"]], on="item_id")
    places = read(database, tables.segments).set_index("id")["name"]
    names = read(database, tables.people).set_index("id")["name"]
    known = read(database, tables.actuals)[["series_id", "period", "value"]].rename(columns={"value": "actual"})
    named = named.merge(known, on=["series_id", "period"], how="left")
    named = named.assign(territory=named["segment_id"].map(places), actor=named["actor_id"].map(names))
    month = named["period"].rank(method="dense").astype(int)
    return named.assign(
        month=month,
        miss_ai=(named["actual"] - named["ai_value"]).abs(),
        miss_final=(named["actual"] - named["final_value"]).abs(),
    )


def told(seed: int) -> pd.DataFrame:
    """The same as ``standing``, of a story that was not loaded."""
    story = demo.tell(WORLD, seed=seed, now=NOW)
    steps = story.steps[story.steps["outcome"].isin(FINAL_OUTCOMES)].drop_duplicates("item", keep="last")
    position = WORLD.earlier_months + steps["cycle"].to_numpy()
    actual = story.market.actual[story.items.loc[steps["item"], "series"], position]
    is_known = story.time.finals[position] <= story.time.now_hours
    steps = steps.assign(month=steps["cycle"] + 1, actual=np.where(is_known, actual, np.nan))
    steps = steps.rename(columns={"ai": "ai_value", "manual": "manual_value"})
    return steps.assign(
        miss_ai=(steps["actual"] - steps["ai_value"]).abs(), miss_final=(steps["actual"] - steps["final_value"]).abs()
    )


def relative_miss(rows: pd.DataFrame) -> float:
    """How far off the finals were, as a share of how far off the AI was; below 1 is better than the AI."""
    known = rows[rows["actual"].notna()]
    return float(known["miss_final"].sum() / known["miss_ai"].sum())


def wape(rows: pd.DataFrame, column: str) -> float:
    known = rows[rows["actual"].notna() & rows[column].notna()]
    return float((known["actual"] - known[column]).abs().sum() / known["actual"].abs().sum())


def follows_the_gap(rows: pd.DataFrame) -> float:
    """Chance that an overridden item had the larger gap than one that was not; 0.5 is no link."""
    scaled = rows[rows["u"].notna()]
    overridden, kept = (scaled[scaled["is_override"] == wanted]["u"].abs() for wanted in (True, False))
    return float(mannwhitneyu(overridden, kept).statistic / (len(overridden) * len(kept)))


# --- the load ------------------------------------------------------------------------------------------------------


def test_the_organisation_has_the_promised_size(loaded: Database):
    rows = {
        name: read(loaded, getattr(tables, name)) for name in ("segments", "series", "decisions", "items", "actuals")
    }

    assert rows["segments"]["level"].value_counts().to_dict() == {"region": 4, "territory": 12}
    assert 285 <= len(rows["series"]) <= 315
    assert 5_400 <= len(rows["decisions"]) <= 6_600
    assert 225 <= (rows["items"]["state"] != State.DECIDED).sum() <= 275
    assert rows["actuals"].groupby("series_id").size().min() >= 18 + 10
    assert rows["decisions"]["decided_at"].max() <= NOW
    assert rows["decisions"]["decided_at"].min() >= NOW - timedelta(days=31 * 19)


def test_the_open_items_look_like_a_living_queue(loaded: Database):
    waiting = read(loaded, tables.items).query("state != 'decided'")

    states = waiting["state"].value_counts()
    assert set(states.index) == {"ready", "claimed", "deferred", "sent_back"}
    assert (waiting.query("state == 'claimed'")["expires_at"] < NOW).all()
    assert set(waiting["lane"]) == {0, 1, 2}
    assert (waiting["due_at"] < NOW).sum() >= 8
    assert (waiting["level"] == 1).sum() >= 2
    assert waiting["why"].map(len).between(2, 4).all()
    assert waiting["content_hash"].str.len().eq(64).all()


def test_everything_says_that_it_is_simulated(loaded: Database):
    with loaded.reading() as session:
        workflow = workflows.get(session, "sales")
    someone = read(loaded, tables.people)

    assert workflow.is_simulated
    assert someone["is_simulated"].all()
    assert someone["subject"].str.startswith("sim-").all()


def test_the_workflow_is_open_for_review_and_its_reviewers_keep_to_their_region(loaded: Database):
    who = read(loaded, tables.people).set_index("name")["id"]
    with loaded.reading() as session:
        workflow = workflows.get(session, "sales")
        anna = people.principal(session, int(who["Anna Bergström"]))
        inside = select(func.count()).select_from(tables.items).where(people.scope(anna, Task.REVIEW))
        within = session.execute(inside).scalar_one()
        whole = session.execute(select(func.count()).select_from(tables.items)).scalar_one()

    assert workflow.policy.missing_for_review() == ()
    assert 0 < within < whole / 2


def test_the_same_seed_tells_the_same_story():
    one, again, other = (demo.rows_of(demo.tell(WORLD, seed=seed, now=NOW), seed) for seed in (3, 3, 4))

    for name in ("items", "forecasts", "actuals", "decisions", "reasons", "evidence", "comments"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(again, name))
    assert not one.decisions["ai_value"].equals(other.decisions["ai_value"])


def test_the_story_ends_at_the_clock_of_the_database(database: Database):
    summary = demo.load(database)

    with database.reading() as session:
        clock = database_now(session)
        last = session.execute(select(func.max(tables.decisions.c.decided_at))).scalar_one()
    assert clock - timedelta(minutes=5) < summary.now <= clock
    assert clock - timedelta(days=5) < last <= summary.now


def test_a_database_in_use_is_refused_and_left_alone(database: Database):
    policy = WORLD.policy().model_copy(update={"key": "ours"})
    with database.writing() as session:
        author = people.add(session, issuer="local", subject="me", name="Me")
        workflows.add(session, policy, author_id=author)

    with pytest.raises(DatabaseNotEmpty, match="already holds the workflow 'ours'"):
        demo.load(database, now=NOW)

    assert len(read(database, tables.items)) == 0
    assert len(read(database, tables.people)) == 1


def test_a_load_that_fails_leaves_an_empty_database(database: Database):
    with database.writing() as session:
        session.execute(text("DROP TABLE delivery_attempts"))
        session.execute(text("DROP TABLE deliveries"))
        session.execute(text("DROP TABLE outbox"))  # the last thing that a load writes

    with pytest.raises(DBAPIError):
        demo.load(database, now=NOW)

    assert schema.is_empty(database)
    assert len(read(database, tables.people)) == 0
    assert len(read(database, tables.decisions)) == 0


def test_of_two_who_load_at_once_one_is_told_that_the_other_does(postgresql_url: str):
    one, other = open_database(postgresql_url), open_database(postgresql_url)
    with one.writing() as session:
        simulation.load_alone(session)
        with pytest.raises(simulation.LoadUnderWay, match="Somebody else is loading"):
            demo.load(other, now=NOW, world=SMALL)

    demo.load(other, now=NOW, world=SMALL)

    assert not schema.is_empty(one)
    for database in (one, other):
        database.engine.dispose()


def test_the_command_says_what_it_loaded_and_then_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from workbench.settings import settings

    monkeypatch.setenv("WORKBENCH_DATABASE_URL", f"sqlite:///{tmp_path}/fresh.db")
    settings.cache_clear()

    first = CliRunner().invoke(app, ["demo"])
    second = CliRunner().invoke(app, ["demo"])

    settings.cache_clear()
    assert first.exit_code == 0, first.output
    assert "Simulated" in first.output
    assert " s from seed 7" in first.output
    assert second.exit_code == 3
    assert "already holds the workflow 'sales'" in second.stderr


@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 1, 1, 10, 30, tzinfo=UTC),
        datetime(2026, 2, 28, 23, 59, tzinfo=UTC),  # a Saturday
        datetime(2026, 3, 29, 1, 0, tzinfo=UTC),  # the hour that summer time takes
        datetime(2028, 2, 29, 7, 0, tzinfo=UTC),
        datetime(2026, 6, 30, 16, 30, tzinfo=UTC),
    ],
)
def test_the_story_has_its_size_whenever_it_is_told(now: datetime):
    story = demo.tell(WORLD, seed=11, now=now)

    decided = story.steps[story.steps["final_value"].notna()]["item"].nunique()
    assert 5_400 <= len(story.steps) <= 6_600
    assert 225 <= len(story.items) - decided <= 275
    assert story.steps["decided_at"].max() <= now
    assert (story.items["created"] <= story.time.now_hours).all()


# --- what holds for every row --------------------------------------------------------------------------------------


def test_an_item_is_decided_exactly_when_a_final_decision_stands(loaded: Database):
    items = read(loaded, tables.items)

    assert set(standing(loaded)["item_id"]) == set(items[items["state"] == State.DECIDED]["id"])
    assert standing(loaded)["item_id"].is_unique


def test_an_override_differs_by_more_than_the_tolerance_and_has_its_reason(loaded: Database):
    made = read(loaded, tables.decisions)
    final = made[made["final_value"].notna()]
    away = (final["final_value"] - final["ai_value"]).abs() > 0.01 * final["ai_value"].abs()
    given = read(loaded, tables.reasons)

    assert (away == final["is_override"]).all()
    assert final[final["is_override"]]["reason_code"].isin(REASONS).all()
    assert set(given["decision_id"]) == set(final[final["is_override"]]["id"])
    codes = final.set_index("id")["reason_code"]
    assert (given["code"] == given["decision_id"].map(codes)).all()


def test_decisions_follow_one_another_in_time(loaded: Database):
    made = read(loaded, tables.decisions)
    items = read(loaded, tables.items).set_index("id")
    superseding = made[made["supersedes_id"].notna()]
    before = made.set_index("id").loc[superseding["supersedes_id"]]

    assert made["decided_at"].is_monotonic_increasing
    assert (made["decided_at"] > made["item_id"].map(items["created_at"])).all()
    assert (superseding["decided_at"].to_numpy() > before["decided_at"].to_numpy()).all()
    assert (superseding["item_id"].to_numpy() == before["item_id"].to_numpy()).all()
    opened = made[made["opened_at"].notna()]
    assert (opened["claimed_at"] <= opened["opened_at"]).all()
    assert (opened["opened_at"] < opened["decided_at"]).all()
    assert (
        made.groupby("item_id")["fence"].last() <= items["fence"].reindex(made["item_id"].unique()).sort_index()
    ).all()


def test_people_work_in_business_hours_one_item_at_a_time(loaded: Database):
    made = read(loaded, tables.decisions)
    local = made["decided_at"].dt.tz_convert("Europe/Berlin")
    usual = made[(made["act"] == Act.DECIDE) & made["supersedes_id"].isna()].sort_values(["actor_id", "decided_at"])
    pause = usual.groupby("actor_id")["decided_at"].diff().dt.total_seconds()

    assert local.dt.day_of_week.max() <= 4
    assert local.dt.hour.between(9, 17).all()
    assert pause.min() >= 3


def test_each_decision_is_in_the_record_and_each_final_one_is_told(loaded: Database):
    made = read(loaded, tables.decisions)
    events = read(loaded, tables.audit_events)
    told_of = read(loaded, tables.outbox)
    final = made[made["final_value"].notna() | (made["act"] == Act.UNDO)]

    assert sorted(events["decision_id"].dropna()) == made["id"].tolist()
    assert told_of["decision_id"].tolist() == final["id"].tolist()
    assert (events["action"] == "demo.loaded").sum() == 1


def test_stored_divergence_agrees_with_the_rules(loaded: Database):
    """For the present cycle, storage placed the items and the story judged them: the same figures both times."""
    story = demo.tell(WORLD, seed=7, now=NOW)
    judged = story.items.assign(key=story.market.series["key"].to_numpy()[story.items["series"]])
    judged = judged[judged["cycle"] == WORLD.cycles - 1].set_index("key")
    keys = read(loaded, tables.series).set_index("id")["key"]
    waiting = read(loaded, tables.items).query("state == 'ready' and fence == 0")
    waiting = waiting[waiting["period"] == waiting["period"].max()]
    waiting = waiting.set_index(waiting["series_id"].map(keys))
    judged = judged.loc[waiting.index]
    # A manual forecast that will be sent back one day still stands as it came.
    waiting, judged = (frame[(judged["kind"] != Outcome.SEND_BACK).to_numpy()] for frame in (waiting, judged))

    assert len(waiting) > 100
    for name in ("gap", "scale", "u"):
        np.testing.assert_allclose(waiting[name].to_numpy(float), judged[name].to_numpy(float), rtol=1e-9)
    assert waiting["band"].tolist() == judged["band"].tolist()
    assert waiting["flagged"].tolist() == judged["flagged"].tolist()


def test_lane_and_score_of_a_past_decision_are_those_of_its_own_moment():
    story = demo.tell(WORLD, seed=7, now=NOW)
    step = story.steps[(story.steps["cycle"] == 9) & story.steps["flagged"]].iloc[40:41]
    item = story.items.loc[step["item"]].drop(columns=["manual"]).set_axis(step.index)
    facts = item.assign(
        manual=step["manual"],
        created_at=story.time.instants(item["created"]),
        due_at=story.time.instants(item["due"]),
        audit_sample=False,
        has_manual=True,
        has_ai=True,
    ).drop(columns=["gap", "money", "scale", "u", "symmetric", "outside_interval", "band", "flagged"])
    facts = facts.join(diverge(facts, story.time.policy))
    g95 = float(story.steps["money"].abs().quantile(0.95))
    scores = [
        place(facts.assign(uncertainty=u), story.time.policy, now=step["decided_at"].iloc[0].to_pydatetime(), g95=g95)
        for u in (0.0, 1.0)
    ]

    assert scores[0]["score"].iloc[0] <= step["score"].iloc[0] <= scores[1]["score"].iloc[0]
    assert scores[0]["lane"].iloc[0] == step["lane"].iloc[0]


# --- what was planted ----------------------------------------------------------------------------------------------


def test_figures_are_plausible(loaded: Database):
    rows = standing(loaded)

    assert 0.20 <= rows["is_override"].mean() <= 0.32
    assert 0.08 <= wape(rows, "ai_value") <= 0.12
    assert wape(rows[rows["month"] < WORLD.degraded_from], "naive_value") > 1.3 * wape(
        rows[rows["month"] < WORLD.degraded_from], "ai_value"
    )
    assert rows["band"].isin(["agree", "minor"]).mean() > 0.6
    assert wape(rows, "final_value") < wape(rows, "ai_value")
    assert relative_miss(rows[rows["is_override"]]) < 0.95


def test_one_reason_helps_and_one_hurts(loaded: Database):
    overrides = standing(loaded).query("is_override and actual == actual")
    helping, hurting = (overrides[overrides["reason_code"] == code] for code in ("CUST_COMMIT", "PLAN_ALIGN"))

    assert min(len(helping), len(hurting)) >= 60
    assert relative_miss(helping) < 0.7
    assert relative_miss(hurting) > 1.4
    assert (helping["miss_final"] < helping["miss_ai"]).mean() > 0.7
    assert (hurting["miss_final"] < hurting["miss_ai"]).mean() < 0.35


def test_the_newest_model_version_degrades_in_month_14(loaded: Database):
    rows = standing(loaded).query("actual == actual")
    is_late = rows["month"] >= WORLD.degraded_from
    inside = rows["actual"].between(rows["ai_low"], rows["ai_high"])

    assert set(rows[is_late]["model_version"]) == {WORLD.versions[-1].name}
    before = rows[~is_late & (rows["model_version"] == WORLD.versions[-1].name)]
    assert wape(rows[is_late], "ai_value") > 1.5 * wape(before, "ai_value")
    assert wape(rows[is_late], "ai_value") > 1.15 * wape(rows[is_late], "naive_value")
    assert 0.76 <= inside[~is_late].mean() <= 0.85
    assert inside[is_late].mean() < 0.6
    first = rows.groupby("month").apply(wape, "ai_value")
    assert first.loc[: WORLD.degraded_from - 1].max() < first.loc[WORLD.degraded_from :].min()


def test_upward_overrides_are_worse_than_downward_ones(loaded: Database):
    overrides = standing(loaded).query("is_override and actual == actual")
    up = overrides["final_value"] > overrides["ai_value"]
    early = overrides["month"] < WORLD.degraded_from
    helped = overrides["miss_final"] < overrides["miss_ai"]

    assert relative_miss(overrides[up]) > relative_miss(overrides[~up]) + 0.2
    assert relative_miss(overrides[up & early]) > relative_miss(overrides[~up & early]) + 0.1
    assert helped[up].mean() < helped[~up].mean() - 0.1


def test_one_territory_is_the_bottleneck(loaded: Database):
    rows = standing(loaded)
    days = (rows["decided_at"] - rows["created_at"]).dt.total_seconds() / 86_400
    late = rows["decided_at"] > rows["due_at"]
    items = read(loaded, tables.items)
    places = read(loaded, tables.segments).set_index("id")["name"]
    waiting = items[items["state"] != State.DECIDED]["segment_id"].map(places).value_counts()

    slow = rows["territory"] == WORLD.bottleneck
    assert days[slow].median() > 2 * days[~slow].median()
    assert late[slow].mean() > 0.3
    assert late[~slow].mean() < 0.1
    assert waiting.index[0] == WORLD.bottleneck
    assert waiting.iloc[0] > 2 * waiting.iloc[1]


def test_approvals_come_in_a_burst_before_each_deadline(loaded: Database):
    rows = standing(loaded).query("act == 'decide'")
    left = (rows["due_at"] - rows["decided_at"]).dt.total_seconds() / 3600
    in_last_day = left.between(0, 8)

    assert in_last_day.mean() > 0.18
    by_month = in_last_day.groupby(rows["period"]).mean().iloc[:-1]
    assert by_month.min() > 0.1
    others = rows["actor"] != "Lucía Prado"
    assert rows[in_last_day & others]["is_override"].mean() < 0.5 * rows[~in_last_day & others]["is_override"].mean()
    seconds = (rows["decided_at"] - rows["opened_at"]).dt.total_seconds()
    assert seconds[in_last_day].median() < 15 < seconds[~in_last_day].median()


def test_one_reviewer_ignores_the_gap_and_one_rejects_everything(loaded: Database):
    rows = standing(loaded)
    by_name = dict(list(rows.groupby("actor")))
    names = {one.name: one.habit for one in WORLD.reviewers}
    fine = [by_name[name] for name, habit in names.items() if habit == "fine"]
    ignorer, rejecter = by_name["Mikko Laine"], by_name["Lucía Prado"]
    looked = rows["first_evidence_at"].notna() & rows["flagged"]

    assert follows_the_gap(ignorer) < 0.6
    assert 0.1 <= ignorer["is_override"].mean() <= 0.25
    assert looked[ignorer.index].sum() / ignorer["flagged"].sum() < 0.15
    assert rejecter["is_override"].mean() > 0.85
    assert relative_miss(rejecter) > 1.0
    assert len(fine) == 10
    for one in fine:
        assert follows_the_gap(one) > 0.7
        assert 0.1 <= one["is_override"].mean() <= 0.35
        assert relative_miss(one) < 1.02


def test_one_territory_plans_elsewhere(loaded: Database):
    used = read(loaded, tables.used_values)[["series_id", "period", "value", "used_at"]]
    rows = standing(loaded).merge(used, on=["series_id", "period"])
    replaced = (rows["value"] - rows["final_value"]).abs() > 1e-6 * rows["final_value"].abs()
    there = rows["territory"] == "Germany South"
    shares = replaced[~there].groupby(rows["territory"]).mean()

    assert len(rows) > 5_000
    assert 0.22 <= replaced[there].mean() <= 0.38
    assert shares.max() < 0.06
    assert (rows["used_at"] >= rows["decided_at"]).all()
    assert (rows["used_at"] <= NOW).all()


@pytest.mark.parametrize("seed", range(1, 9))
def test_the_planted_truths_are_there_with_any_seed(seed: int):
    rows = told(seed)
    overrides = rows[rows["is_override"] & rows["actual"].notna()]
    by_code = {
        code: relative_miss(overrides[overrides["reason_code"] == code]) for code in ("CUST_COMMIT", "PLAN_ALIGN")
    }
    up = overrides["final_value"] > overrides["ai_value"]
    late = rows["month"] >= WORLD.degraded_from
    by_name = dict(list(rows.groupby("actor")))

    assert by_code["CUST_COMMIT"] < 0.7
    assert by_code["PLAN_ALIGN"] > 1.4
    assert relative_miss(overrides[up]) > relative_miss(overrides[~up]) + 0.2
    assert wape(rows[late], "ai_value") > 1.5 * wape(rows[~late], "ai_value")
    assert follows_the_gap(by_name["Mikko Laine"]) < 0.63
    assert by_name["Lucía Prado"]["is_override"].mean() > 0.85
    assert min(follows_the_gap(by_name[one.name]) for one in WORLD.reviewers if one.habit == "fine") > 0.65


def test_what_people_pass_on_comes_back(loaded: Database):
    made = read(loaded, tables.decisions)
    passed = made[made["outcome"].isin([Outcome.ESCALATE, Outcome.DEFER, Outcome.SEND_BACK])]
    items = read(loaded, tables.items).set_index("id")
    newer = read(loaded, tables.forecasts).groupby(["item_id", "source_id"]).size()

    assert set(passed["outcome"]) == {"escalate", "defer", "send_back"}
    assert passed["item_id"].map(items["state"]).eq(State.DECIDED).mean() > 0.8
    assert (newer == 2).sum() > 50
    assert made["act"].value_counts()[Act.UNDO] == WORLD.undone
    assert made["act"].value_counts()[Act.OVERTURN] == WORLD.overturned


def test_a_smaller_world_is_only_a_parameter_away():
    world = replace(WORLD, series_per_territory=4, bottleneck_series=8, past_months=4, undone=2, overturned=2)

    story = demo.tell(world, seed=1, now=NOW)

    assert len(story.market.series) == 11 * 4 + 8
    assert story.items["cycle"].max() == 4
