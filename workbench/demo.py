"""The simulated sales organisation: told from a seed, then loaded into an empty database as one transaction.

``demo_world`` says what it is like, ``demo_market`` what was sold and forecast, ``demo_reviews`` who decided what;
here the story becomes rows. What is stored agrees with the rules, since ``review_queue`` works it out.
"""

from __future__ import annotations

import hashlib
import time as stopwatch
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from review_queue.divergence import diverge
from review_queue.items import Lane, Outcome, SourceKind, State
from review_queue.priority import place
from review_queue.reasons import REASONS
from review_queue.roles import Role
from review_queue.rows import SEPARATOR
from storage import audit, placing, simulation, workflows
from storage.engine import Database, database_now
from storage.simulation import Simulation
from workbench.actions import sourcing
from workbench.demo_market import Market, items_of, make_market, make_series, version_of
from workbench.demo_plan import used_rows
from workbench.demo_reviews import evidence_of, review, steps_of
from workbench.demo_sources import statement_rows
from workbench.demo_time import DUE_AT, Timeline, timeline
from workbench.demo_world import (
    DEPUTY,
    DEPUTY_EMAIL,
    IGNORER_TEXT,
    MANAGER,
    NOTES,
    OWNER,
    OWNER_EMAIL,
    REJECTER_COMMENT,
    SALESPEOPLE,
    TEXTS,
    Habit,
    World,
)

NOTED_SHARE = 0.35  #: of manual forecasts with a cause that say so in a note
OUTCOME_KNOWN = 0.6  #: of reasons whose month is over, where somebody noted what became of them
RATIONALE = "Level, growth and season of the past two years; no price or contract information."


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """What was loaded."""

    workflow: str  #: the key
    seed: int
    now: datetime  #: UTC; the instant that the story ends at
    people: int
    series: int
    actuals: int
    forecasts: int
    past_decisions: int
    overrides: int  #: of the past decisions
    open_items: int
    seconds: float  #: from the start to the commit


@dataclass(frozen=True, eq=False)
class Story:
    """The whole story, before it becomes rows."""

    world: World
    time: Timeline
    market: Market
    items: pd.DataFrame  #: as ``demo_reviews.review`` gives them
    steps: pd.DataFrame  #: as ``demo_reviews.steps_of`` gives them, with what was on screen
    evidence: pd.DataFrame


def load(database: Database, *, seed: int = 7, now: datetime | None = None, world: World | None = None) -> DemoSummary:
    """Fill an empty database with the simulated organisation, or leave it as it was.

    The same ``seed``, ``now`` and ``world`` give the same rows. ``now`` (aware) is the database's clock by default.

    Raises:
        DatabaseNotEmpty: there is a workflow already.
        LoadUnderWay: somebody else loads it at this moment.
    """
    started = stopwatch.perf_counter()
    with database.reading() as session:
        simulation.require_empty(session)
        now = now or database_now(session)
    story = tell(world or World(), seed=seed, now=now)
    rows = rows_of(story, seed)
    with database.writing() as session:
        simulation.load_alone(session)
        simulation.require_empty(session)
        person_ids = simulation.add_people(session, rows)
        owner_id = person_ids[subject_of(OWNER)]
        workflow = workflows.add(session, story.time.policy, author_id=owner_id, is_simulated=True)
        simulation.add_rows(session, rows, workflow_id=workflow.id, person_ids=person_ids)
        placing.place_items(session, workflow, now=now)
        sourcing.learn_in(session, workflow)
        audit.record(session, "demo.loaded", actor_id=owner_id, workflow_id=workflow.id, details={"seed": seed})
    return DemoSummary(
        workflow=workflow.key,
        seed=seed,
        now=now,
        people=len(rows.people),
        series=len(rows.series),
        actuals=len(rows.actuals),
        forecasts=len(rows.forecasts),
        past_decisions=len(rows.decisions),
        overrides=int(rows.decisions["is_override"].sum()),
        open_items=int((rows.items["state"] != State.DECIDED).sum()),
        seconds=stopwatch.perf_counter() - started,
    )


def tell(world: World, *, seed: int, now: datetime) -> Story:
    """The story of ``world`` that this seed tells, up to ``now``."""
    for_series, for_market, for_reviews, for_steps, for_evidence = np.random.default_rng(seed).spawn(5)
    time = timeline(world, now)
    market = make_market(world, make_series(world, for_series), time, for_market)
    items = items_of(world, market, time)
    items = review(world, items.join(diverge(items, time.policy)), time, for_reviews)
    steps = on_screen(steps_of(world, items, time, for_steps), items, time)
    return Story(world, time, market, items, steps, evidence_of(world, steps, steps["flagged"], for_evidence))


def on_screen(steps: pd.DataFrame, items: pd.DataFrame, time: Timeline) -> pd.DataFrame:
    """The steps with what the reviewer saw: divergence, lane and score at that moment, by the rules themselves."""
    shown = items.drop(columns=["outcome", "is_override", "reason_code", "habit", "in_burst", "manual"])
    facts = steps[["manual"]].join(shown.loc[steps["item"]].set_axis(steps.index))
    judged = diverge(facts, time.policy)
    seen = facts.drop(columns=[*judged.columns]).join(judged)
    # The rules ask for one present moment, and count working hours only: so each item is moved along the line
    # until its own decision falls on it, with its age and the time it had left unchanged.
    hours = steps["hours"]
    moved = pd.DataFrame(
        {
            "created_at": time.instants(seen["created"] - hours + time.now_hours),
            "due_at": time.instants(seen["due"] - hours + time.now_hours),
            "audit_sample": False,
            "uncertainty": ((seen["ai_high"] - seen["ai_low"]) / seen["ai"].abs()).rank(pct=True),
            "has_manual": seen["manual"].notna(),
            "has_ai": True,
        }
    )
    present = time.instants(pd.Series([time.now_hours])).iloc[0].to_pydatetime()
    placed = place(seen.join(moved), time.policy, now=present, g95=float(seen["money"].abs().quantile(0.95)))
    due = time.instants(seen["due"])
    return steps.drop(columns=["flagged", "ai"]).assign(
        **seen[["ai", "ai_low", "ai_high", "ai_level", "naive", *judged.columns, "cycle"]],
        lane=placed["lane"],
        score=placed["score"],
        hours_to_deadline=(due - steps["decided_at"]).dt.total_seconds() / 3600,
        queue_length=_queue_length(steps, items),
    )


def subject_of(name: str) -> str:
    """The subject under which a simulated person is known."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "-".join(["sim", *plain.lower().split()])


def rows_of(story: Story, seed: int) -> Simulation:
    """The story as the rows that ``storage.simulation`` takes."""
    world, time = story.world, story.time
    rng = np.random.default_rng([seed, 1])
    items = _item_rows(story, rng)
    decisions = _decision_rows(story, rng)
    reasons = _reason_rows(story, rng)
    return Simulation(
        began_at=time.instants(pd.Series([float(time.hour(time.opens[:1])[0]) - 80])).iloc[0].to_pydatetime(),
        people=_people(world),
        grants=_grants(world),
        segments=_segments(world),
        cycles=_cycle_rows(time),
        model_versions=_version_rows(world, time),
        series=_series_rows(story.market),
        items=items,
        forecasts=_forecast_rows(story, items, rng),
        actuals=_actual_rows(story),
        decisions=decisions,
        reasons=reasons,
        evidence=_evidence_rows(story),
        comments=_comment_rows(story, rng),
        advance_notices=_notice_rows(story),
        figure_comments=_figure_comment_rows(story),
        used=used_rows(world, time, story.items, story.steps, np.random.default_rng([seed, 2])),
        statements=statement_rows(story.world, story.market, story.items, story.time, items["created_at"], seed=seed),
    )


# --- the organisation -----------------------------------------------------------------------------------------------


def _people(world: World) -> pd.DataFrame:
    directors = [region.director for region in world.regions]
    names = [*(one.name for one in world.reviewers), *directors, MANAGER, OWNER]
    emails = {OWNER: OWNER_EMAIL, DEPUTY: DEPUTY_EMAIL}
    return pd.DataFrame(
        {
            "subject": [subject_of(name) for name in names],
            "name": names,
            "email": [emails.get(name) or f"{subject_of(name)}@example.com" for name in names],
        }
    )


def _grants(world: World) -> pd.DataFrame:
    """Reviewers in their region, since they stand in for each other; directors in theirs; the rest everywhere."""
    region_of = {name: region.name for region in world.regions for name in region.territories}
    rows = [
        *((one.name, Role.REVIEWER, region_of[one.territory] + SEPARATOR) for one in world.reviewers),
        *((region.director, Role.DIRECTOR, region.name + SEPARATOR) for region in world.regions),
        (MANAGER, Role.MANAGER, None),
        (OWNER, Role.OWNER, None),
        (DEPUTY, Role.OWNER, None),
    ]
    grants = pd.DataFrame(rows, columns=["name", "role", "path"])
    return grants.assign(subject=grants["name"].map(subject_of)).drop(columns="name")


def _segments(world: World) -> pd.DataFrame:
    rows = []
    for region in world.regions:
        top = region.name + SEPARATOR
        rows.append(("region", 0, region.name, top, None))
        rows.extend(("territory", 1, name, top + name + SEPARATOR, top) for name in region.territories)
    return pd.DataFrame(rows, columns=["level", "depth", "name", "path", "parent"])


def _series_rows(market: Market) -> pd.DataFrame:
    return pd.DataFrame({"key": market.series["key"], "path": _paths(market), "currency": "EUR", "value_per_unit": 1.0})


def _paths(market: Market) -> pd.Series:
    return market.series["region"] + SEPARATOR + market.series["territory"] + SEPARATOR


def _cycle_rows(time: Timeline) -> pd.DataFrame:
    months = time.months[-len(time.opens) :]
    return pd.DataFrame(
        {
            "period": months.strftime("%Y-%m"),
            "period_start": months.strftime("%Y-%m-01"),
            "opens_at": time.instants(pd.Series(time.hour(time.opens))),
            "deadline_at": time.instants(pd.Series(time.hour(time.deadlines, DUE_AT))),
        }
    )


def _version_rows(world: World, time: Timeline) -> pd.DataFrame:
    first = [time.opens[version.from_month - 1] for version in world.versions]
    return pd.DataFrame(
        {
            "name": [version.name for version in world.versions],
            "first_seen_at": time.instants(pd.Series(time.hour(np.array(first)))),
        }
    )


# --- items, forecasts, actuals --------------------------------------------------------------------------------------


def _item_rows(story: Story, rng: np.random.Generator) -> pd.DataFrame:
    """One row an item as it stands now; ``storage.placing`` orders the open ones afterwards."""
    told, time, steps = story.items, story.time, story.steps
    months = time.months[-len(time.opens) :][told["cycle"]]
    last = steps.drop_duplicates("item", keep="last").set_index("item").reindex(told.index)
    lapsed = _lapsed(story, last, rng)
    state = _states(story, last).where(~lapsed, State.CLAIMED)
    created = time.instants(told["created"])
    available = last["decided_at"].fillna(created)
    available = available.where(state != State.DEFERRED, time.instants(told["until"]))
    left_at = pd.Timestamp(time.now).floor("ms") - pd.to_timedelta(rng.integers(30, 400, len(told)), unit="min")
    left_at = pd.Series(left_at, index=told.index).where(lapsed)
    claim = timedelta(minutes=time.policy.claim_minutes)
    judged = {name: last[name].astype(float).fillna(told[name]) for name in ("gap", "money", "scale", "u", "symmetric")}
    return pd.DataFrame(
        {
            "series": story.market.series["key"].to_numpy()[told["series"]],
            "path": _paths(story.market).to_numpy()[told["series"]],
            "period": months.strftime("%Y-%m"),
            "period_start": months.strftime("%Y-%m-01"),
            "horizon": 1,
            "created_at": created,
            "due_at": time.instants(told["due"]),
            "state": state,
            "round": 1,
            "level": (last["outcome"] == Outcome.ESCALATE).astype(int),
            "available_at": available.where(~lapsed, left_at + claim),
            "fence": last["fence"].fillna(0).astype(int) + lapsed,
            "subject": last["actor"]
            .map(subject_of, na_action="ignore")
            .where(~lapsed, told["reviewer"].map(subject_of)),
            "claimed_at": last["claimed_at"].where(~lapsed, left_at),
            "expires_at": left_at + claim,
            "expiries": 0,
            **judged,
            "band": last["band"].fillna(told["band"]).astype(str),
            "outside_interval": told["outside_interval"],
            "flagged": last["flagged"].astype("boolean").fillna(told["flagged"]).astype(bool),
            "lane": last["lane"].fillna(int(Lane.ROUTINE)).astype(int),
            "score": last["score"].fillna(0.0),
            "audit_sample": ~told["flagged"] & (rng.random(len(told)) < time.policy.audit_share),
            "content_hash": _hashes(told, ["series", "cycle", "ai", "manual", "naive"]),
        },
        index=told.index,
    )


def _states(story: Story, last: pd.DataFrame) -> pd.Series:
    """Where each item stands, from the last thing that was decided on it."""
    renewed = story.items["renewed"] <= story.time.now_hours
    states = pd.Series(State.READY, index=last.index, dtype=object)
    states[last["final_value"].notna()] = State.DECIDED
    states[last["outcome"] == Outcome.DEFER] = State.DEFERRED
    states[(last["outcome"] == Outcome.SEND_BACK) & ~renewed] = State.SENT_BACK
    return states


def _lapsed(story: Story, last: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
    """A few untouched items that somebody claimed today and left."""
    untouched = last["outcome"].isna() & (story.items["created"] < story.time.now_hours - 8)
    chosen = rng.permutation(untouched.index[untouched])[: story.world.lapsed_claims]
    return pd.Series(last.index.isin(chosen), index=last.index)


def _forecast_rows(story: Story, items: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Every forecast, in the order of its arrival: AI, manual, naive, and the manual one that a question brought."""
    told, time = story.items, story.time
    came = items["created_at"]
    made = came - pd.to_timedelta(rng.integers(3, 14, len(told)), unit="h")
    ai = _forecasts(told["ai"], SourceKind.AI, came).assign(
        low=told["ai_low"],
        high=told["ai_high"],
        interval_level=told["ai_level"],
        version=version_of(story.world, told["cycle"]),
        made_at=made,
        rationale=RATIONALE,
    )
    salesperson = dict(zip((one.territory for one in story.world.reviewers), SALESPEOPLE, strict=True))
    author = told["territory"].map(salesperson)
    manual = _forecasts(told["first_manual"], SourceKind.MANUAL, came).assign(
        made_at=came - pd.to_timedelta(rng.integers(2, 60, len(told)), unit="h"),
        author=author,
        note=_manual_notes(story, rng),
    )
    renewed_at = time.instants(told["renewed"].where(told["renewed"] <= time.now_hours))
    answer = _forecasts(told["manual"], SourceKind.MANUAL, renewed_at).assign(
        made_at=renewed_at, author=author, note="Revised after the question; the change is in the reason."
    )
    naive = _forecasts(told["naive"], SourceKind.NAIVE, came).assign(made_at=came)
    rows = pd.concat([ai, manual, naive, answer[renewed_at.notna()]], ignore_index=True)
    rows = rows[rows["value"].notna()]
    return rows.sort_values(["received_at", "item"], kind="stable", ignore_index=True)


def _forecasts(values: pd.Series, kind: SourceKind, received: pd.Series) -> pd.DataFrame:
    nothing = {"low": np.nan, "high": np.nan, "interval_level": np.nan}
    words = dict.fromkeys(("version", "author", "note", "rationale"))
    return pd.DataFrame(
        {"item": values.index, "kind": kind.value, "value": values, "received_at": received, **nothing, **words}
    )


def _manual_notes(story: Story, rng: np.random.Generator) -> pd.Series:
    """Some manual forecasts say why they differ."""
    told = story.items
    codes = np.array([*(cause.code for cause in story.world.causes), None], dtype=object)[told["cause"]]
    speaks = (rng.random(len(told)) < NOTED_SHARE) & (codes != None)  # noqa: E711 -- elementwise
    chosen = told[speaks].assign(code=codes[speaks], amount=(told["belief"] * told["ai"]).abs())
    return _texts(story, chosen, rng).reindex(told.index)


def _actual_rows(story: Story) -> pd.DataFrame:
    """What was realised, month by month, as far as it is final by now."""
    time, market = story.time, story.market
    known = int((time.finals <= time.now_hours).sum())
    n = len(market.series)
    months = np.repeat(np.arange(known), n)
    final_at = time.instants(pd.Series(time.finals[months]))
    return pd.DataFrame(
        {
            "series": np.tile(market.series["key"].to_numpy(), known),
            "period": time.months.strftime("%Y-%m").to_numpy()[months],
            "period_start": time.months.strftime("%Y-%m-01").to_numpy()[months],
            "value": market.actual[:, :known].T.ravel(),
            "final_at": final_at,
            "received_at": final_at,
        }
    )


# --- decisions and what belongs to them -----------------------------------------------------------------------------


def _decision_rows(story: Story, rng: np.random.Generator) -> pd.DataFrame:
    """The steps as rows, with keys, hashes, notes, and the chain of what supersedes what."""
    steps, policy = story.steps, story.time.policy
    keys = [rng.bytes(16).hex() for _ in range(len(steps))]
    first_look = story.evidence.groupby("step")["opened_at"].min().reindex(steps.index)
    superseded = _superseded(steps)
    return pd.DataFrame(
        {
            "item": steps["item"],
            "subject": steps["actor"].map(subject_of),
            "supersedes": superseded,
            "round": 1,
            "stage": 1,
            "act": steps["act"],
            "outcome": steps["outcome"],
            "final_value": steps["final_value"],
            "is_override": steps["is_override"].astype(bool),
            "reason_code": steps["reason_code"],
            "note": _step_notes(story),
            "idempotency_key": keys,
            "request_hash": _hashes(steps.assign(key=keys), ["key", "outcome", "final_value"]),
            "fence": steps["fence"].astype(int),
            "mode": "ai_first",
            "content_hash": _hashes(story.items.loc[steps["item"]], ["series", "cycle", "ai", "manual", "naive"]),
            "ai_value": steps["ai"],
            "ai_low": steps["ai_low"],
            "ai_high": steps["ai_high"],
            "ai_level": steps["ai_level"],
            "model_version": version_of(story.world, steps["cycle"]),
            "manual_value": steps["manual"],
            "naive_value": steps["naive"],
            **{name: steps[name] for name in ("gap", "money", "scale", "u", "band", "flagged", "lane", "score")},
            "policy_version": 1,
            "owner": policy.owner,
            "queue_length": steps["queue_length"],
            "hours_to_deadline": steps["hours_to_deadline"],
            "claimed_at": steps["claimed_at"],
            "opened_at": steps["opened_at"],
            "first_evidence_at": first_look,
            "decided_at": steps["decided_at"],
        }
    )


def _superseded(steps: pd.DataFrame) -> pd.Series:
    """The number of the step that each correction supersedes: the one before it on the same item."""
    before = pd.Series(steps.index, index=steps.index).groupby(steps["item"]).shift()
    return before.where(steps["depth"] > 0).astype("Int64")


def _step_notes(story: Story) -> pd.Series:
    account = story.market.series["account"].to_numpy()[story.items.loc[story.steps["item"], "series"]]
    return pd.Series(
        [
            NOTES.get(outcome or "", "").format(account=name)
            for outcome, name in zip(story.steps["outcome"], account, strict=True)
        ],
        index=story.steps.index,
    )


def _reason_rows(story: Story, rng: np.random.Generator) -> pd.DataFrame:
    """The reason of each override, and for some of those whose month is over, what became of it."""
    steps = story.steps[story.steps["is_override"]]
    told = story.items.loc[steps["item"]].set_axis(steps.index)
    moved = steps["final_value"] - steps["ai"]
    n = len(steps)
    months = story.time.months[-len(story.time.opens) :][steps["cycle"]]
    texts = _texts(story, told.assign(code=steps["reason_code"], amount=moved.abs()), rng)
    is_bare = steps["habit"] == Habit.IGNORES_GAP
    mid = moved * rng.uniform(0.9, 1.1, n)
    kinds = steps["reason_code"].map(lambda code: REASONS[code].kind)
    rows = pd.DataFrame(
        {
            "decision": steps.index,
            "rank": 0,
            "code": steps["reason_code"],
            "direction": np.where(steps["reason_code"] == "DEAL_TIMING", "timing", np.where(moved > 0, "up", "down")),
            "effect_low": np.minimum(mid * 0.7, mid * 1.3).round(1),
            "effect_mid": mid.round(1),
            "effect_high": np.maximum(mid * 0.7, mid * 1.3).round(1),
            "confidence": rng.choice([50, 70, 90], n, p=[0.3, 0.5, 0.2]),
            "valid_from": months.strftime("%Y-%m-01"),
            "valid_until": _valid_until(steps["reason_code"], months),
            "source_type": np.where(
                kinds == "I", rng.choice(["customer", "document", "internal"], n, p=[0.6, 0.2, 0.2]),
                np.where(kinds == "C", "document", "none"),
            ),
            "already_in_model": rng.choice(["no", "partly", "unknown"], n, p=[0.6, 0.15, 0.25]),
            "controllable": rng.random(n) < 0.25,
            "text": np.where(is_bare, IGNORER_TEXT, texts),
        },
        index=steps.index,
    )  # fmt: skip
    rows.loc[is_bare, ["effect_low", "effect_mid", "effect_high", "confidence", "source_type"]] = None
    return rows.join(_what_became(story, steps, told, moved, rng))


def _valid_until(codes: pd.Series, months: pd.PeriodIndex) -> list[str]:
    """The last day that a reason holds, as ISO text: its code's usual time, or the month itself."""
    days = [REASONS[code].validity_days for code in codes]
    return [
        (start + timedelta(days=length) if length else end).date().isoformat()
        for start, end, length in zip(months.start_time, months.end_time, days, strict=True)
    ]


def _what_became(
    story: Story, steps: pd.DataFrame, told: pd.DataFrame, moved: pd.Series, rng: np.random.Generator
) -> pd.DataFrame:
    """``outcome, outcome_at, realised_effect, subject``: noted by whoever decided, once the actual was final."""
    position = story.world.earlier_months + steps["cycle"].to_numpy()
    final = pd.Series(story.time.finals[position], index=steps.index)
    actual = pd.Series(story.market.actual[told["series"], position], index=steps.index)
    realised = (actual - steps["ai"]).round(1)
    noted = (final < story.time.now_hours - 16) & (rng.random(len(steps)) < OUTCOME_KNOWN)
    share = realised / moved
    said = np.select([share < 0.2, share < 0.7, share <= 1.5], ["did not happen", "smaller", "as expected"], "larger")
    at = story.time.instants(pd.Series(final + rng.uniform(1, 15, len(steps))).where(noted))
    return pd.DataFrame(
        {
            "outcome": pd.Series(said, index=steps.index, dtype=object).where(noted),
            "outcome_at": at,
            "realised_effect": realised.where(noted),
            "subject": steps["actor"].map(subject_of).where(noted),
        }
    )


def _evidence_rows(story: Story) -> pd.DataFrame:
    at = story.steps.loc[story.evidence["step"]].reset_index(drop=True)
    return pd.DataFrame(
        {
            "item": at["item"],
            "subject": at["actor"].map(subject_of),
            "fence": at["fence"].astype(int),
            "panel": story.evidence["panel"],
            "opened_at": story.evidence["opened_at"],
        }
    )


def _comment_rows(story: Story, rng: np.random.Generator) -> pd.DataFrame:
    """What people left on the items that they passed on."""
    passed = story.steps[story.steps["outcome"].isin([Outcome.ESCALATE, Outcome.SEND_BACK])]
    passed = passed[rng.random(len(passed)) < 0.5]
    account = story.market.series["account"].to_numpy()[story.items.loc[passed["item"], "series"]]
    return pd.DataFrame(
        {
            "item": passed["item"].to_numpy(),
            "subject": passed["actor"].map(subject_of).to_numpy(),
            "body": [f"Asked the account team of {name}; answer expected this week." for name in account],
            "created_at": passed["decided_at"].reset_index(drop=True),
        }
    )


def _notice_rows(story: Story) -> pd.DataFrame:
    """Whoever does not review as the others do was told, and has had their days to see it alone."""
    told = [one.name for one in story.world.reviewers if one.habit is not Habit.FINE]
    return pd.DataFrame(
        {"subject": [subject_of(name) for name in told], "given_at": _days_ago(story, story.world.noticed_days_ago)}
    )


def _figure_comment_rows(story: Story) -> pd.DataFrame:
    """What the one who rejects everything says of it."""
    said = [one.name for one in story.world.reviewers if one.habit is Habit.REJECTS_ALL]
    return pd.DataFrame(
        {
            "subject": [subject_of(name) for name in said],
            "body": REJECTER_COMMENT,
            "written_at": _days_ago(story, story.world.noticed_days_ago - 1),
        }
    )


def _days_ago(story: Story, days: int) -> pd.Timestamp:
    return pd.Timestamp(story.time.now).tz_convert("UTC").floor("ms") - pd.Timedelta(days=days)


# --- small things ---------------------------------------------------------------------------------------------------


def _texts(story: Story, rows: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
    """A sentence for each row's ``code`` and ``amount``, about its account, line and month."""
    series = story.market.series
    months = story.time.months[-len(story.time.opens) :].strftime("%B")
    created = story.time.instants(rows["created"]) - pd.to_timedelta(rng.integers(1, 12, len(rows)), unit="D")
    return pd.Series(
        [
            TEXTS[code][int(pick * len(TEXTS[code]))].format(
                account=series["account"].iat[number],
                line=series["line"].iat[number].lower(),
                amount=f"{amount:,.0f}",
                month=months[cycle],
                day=f"{day.day} {day:%B}",
            )
            for code, pick, number, cycle, amount, day in zip(
                rows["code"], rng.random(len(rows)), rows["series"], rows["cycle"], rows["amount"], created, strict=True
            )
        ],
        index=rows.index,
        dtype=object,
    )


def _queue_length(steps: pd.DataFrame, items: pd.DataFrame) -> pd.Series:
    """How many items of the same territory were waiting at each step."""
    length = pd.Series(0, index=steps.index)
    territory = items.loc[steps["item"], "territory"].to_numpy()
    for name, group in items.groupby("territory"):
        here = territory == name
        hours = steps.loc[here, "hours"]
        arrived = np.searchsorted(np.sort(group["created"]), hours, side="right")
        length[here] = np.maximum(arrived - np.searchsorted(np.sort(group["decided"]), hours), 1)
    return length


def _hashes(rows: pd.DataFrame, columns: list[str]) -> list[str]:
    facts = zip(*(rows[column].tolist() for column in columns), strict=True)
    return [hashlib.sha256(repr(fact).encode()).hexdigest() for fact in facts]
