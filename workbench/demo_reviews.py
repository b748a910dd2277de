"""Who decided what, when and why in the simulated organisation: items and their divergence in, decisions out.

``review`` runs the steps in order; each is a function from frames to a frame. Times are working hours of the
``Timeline`` until ``on_the_clock`` turns them into instants.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from review_queue.items import Act, Outcome
from workbench.demo_market import NO_CAUSE, PLACES
from workbench.demo_time import ARRIVES_AT, DUE_AT, Timeline, hours_a_day
from workbench.demo_world import Habit, World

LAST_DAY = 8.0  #: working hours before the deadline in which what is left is pushed through
SETTLED = 40.0  #: working hours after which a decision may turn out to have been corrected
SECOND = 1 / 3600  #: in hours
CLAIMED_BEFORE = pd.Timedelta(seconds=2)  #: from the claim to the painted page
MOST_OVERRIDDEN = 3.0  #: usual misses beyond which the chance of an override does not grow
LEAST_ADJUSTMENT = 0.012  #: share of the AI's value; beyond any doubt about the tolerance
PANELS = ("model", "sources", "earlier", "comments")
FOLLOW_UPS = (Outcome.ESCALATE, Outcome.DEFER, Outcome.SEND_BACK)


def review(world: World, items: pd.DataFrame, time: Timeline, rng: np.random.Generator) -> pd.DataFrame:
    """What becomes of each item, told to its end: who has it, when it is decided, and how.

    Args:
        items: as ``demo_market.items_of`` gives them, with the columns of ``divergence.diverge``.

    Returns:
        The items with ``reviewer`` and ``director`` (names), ``habit``, ``created``, ``due``, ``first`` (a step
        before the decision: NaN if there is none), ``kind`` (that step's outcome, or ""), ``until``, ``renewed``
        (a new manual forecast after it was sent back), ``decided`` (all in working hours), ``in_burst``,
        ``first_manual``, ``outcome``, ``final``, ``is_override``, ``reason_code``.
    """
    items = _assigned(world, items, rng)
    items = _timed(world, items, time, rng)
    items = _with_follow_ups(world, items, rng)
    return _chosen(world, items, rng)


def steps_of(world: World, items: pd.DataFrame, time: Timeline, rng: np.random.Generator) -> pd.DataFrame:
    """The decisions made until now, oldest first: one row each.

    Columns: ``item`` (index of ``items``), ``depth`` (how many decisions it supersedes), ``act``, ``outcome``,
    ``final_value``, ``is_override``, ``reason_code``, ``actor`` (name), ``habit``, ``manual``, ``fence``,
    ``in_burst``, ``claimed_at``, ``opened_at``, ``decided_at``.
    """
    steps = _served(world, _plain_steps(items), rng)
    steps = on_the_clock(steps, time)
    is_settled = (steps["hours"] < time.now_hours - SETTLED) & (steps["fence"] == 1) & ~steps["in_burst"]
    slipped = steps[is_settled & steps["is_override"]].sample(world.undone, random_state=rng)
    apart = (steps["manual"] - steps["ai"]).abs() > 0.03 * steps["ai"]
    wrong = steps[is_settled & steps["final_value"].notna() & apart].drop(slipped.index, errors="ignore")
    wrong = wrong.sample(world.overturned, random_state=rng)
    told = [steps.drop(slipped.index), _undone(slipped, rng), _overturned(items, wrong, time, rng)]
    steps = pd.concat(told)
    steps = steps[steps["decided_at"] <= pd.Timestamp(time.now)]
    return steps.sort_values(["decided_at", "depth"], kind="stable", ignore_index=True)


def on_the_clock(steps: pd.DataFrame, time: Timeline) -> pd.DataFrame:
    """Working hours as instants, and when the page was opened and the claim made."""
    decided = time.instants(steps["hours"])
    opened = decided - pd.to_timedelta(steps["touch"] * 3_600_000, unit="ms").dt.round("ms")
    return steps.assign(decided_at=decided, opened_at=opened, claimed_at=opened - CLAIMED_BEFORE)


def evidence_of(world: World, steps: pd.DataFrame, flagged: pd.Series, rng: np.random.Generator) -> pd.DataFrame:
    """Which panels were opened before which decision: ``step`` (index of ``steps``), ``panel``, ``opened_at``."""
    chance = np.where(flagged, 0.72, 0.18)
    chance = np.where(steps["habit"] == Habit.IGNORES_GAP, world.ignorer_evidence, chance)
    chance = np.where(steps["habit"] == Habit.REJECTS_ALL, 0.30, chance)
    chance = np.where(steps["in_burst"], 0.01, chance)
    looked = (rng.random(len(steps)) < chance) & (steps["act"] == Act.DECIDE)
    views = [
        pd.DataFrame({"step": steps.index[opened], "panel": panel, "part": rng.uniform(0.05, 0.9, opened.sum())})
        for panel, share in zip(PANELS, (0.7, 0.35, 0.6, 0.15), strict=True)
        if (opened := (looked & (rng.random(len(steps)) < share)).to_numpy()).any()
    ]
    seen = pd.concat(views, ignore_index=True)
    at = steps.loc[seen["step"]].reset_index()
    seen["opened_at"] = (at["opened_at"] + (at["decided_at"] - at["opened_at"]) * seen["part"]).dt.floor("ms")
    return seen.drop(columns="part").sort_values(["opened_at", "step"], ignore_index=True)


# --- who -----------------------------------------------------------------------------------------------------------


def _assigned(world: World, items: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Most of a territory's items go to its own reviewer, the rest to the others of its region."""
    own = {one.territory: one.name for one in world.reviewers}
    others = {
        name: [own[other] for other in region.territories if other != name]
        for region in world.regions
        for name in region.territories
    }
    helpers = pd.DataFrame(others).T.loc[items["territory"]].to_numpy()
    helper = helpers[np.arange(len(items)), rng.integers(0, helpers.shape[1], len(items))]
    reviewer = np.where(rng.random(len(items)) < world.own_share, items["territory"].map(own), helper)
    directors = {name: region.director for region in world.regions for name in region.territories}
    habits = {one.name: one.habit for one in world.reviewers}
    return items.assign(
        reviewer=reviewer,
        director=items["territory"].map(directors),
        habit=pd.Series(reviewer, index=items.index).map(habits),
    )


# --- when ----------------------------------------------------------------------------------------------------------


def _timed(world: World, items: pd.DataFrame, time: Timeline, rng: np.random.Generator) -> pd.DataFrame:
    """When each item arrives, is due and is decided; what is left on the last day goes in a burst, or is late."""
    n, cycle = len(items), items["cycle"].to_numpy()
    wave = np.searchsorted(np.cumsum(world.wave_shares)[:-1], _even(items, rng), side="right")
    created = time.hour(time.opens[cycle] + wave, ARRIVES_AT)
    due_day = time.deadlines[cycle] - np.where(items["is_key"], world.key_account_days, 0)
    due = time.hour(due_day, DUE_AT)
    is_slow = (items["territory"] == world.bottleneck).to_numpy()
    rate = world.daily_rate / hours_a_day(time.policy) * np.where(items["flagged"], world.flagged_rate, 1.0)
    rate = rate * np.where(is_slow, world.bottleneck_pace, 1.0)
    decided = created + 0.25 - np.log1p(-_even(items, rng)) / rate
    is_left = decided > due - LAST_DAY
    pushed = np.where(is_slow, 1 - world.bottleneck_late, world.burst_share)
    in_burst = is_left & (rng.random(n) < pushed)
    days_late = np.where(is_slow, rng.uniform(*world.bottleneck_late_days, n), rng.uniform(0.2, 6, n))
    decided = np.where(is_left, due + days_late * hours_a_day(time.policy), decided)
    decided = np.where(in_burst, due - _session(items, due, rng), decided)
    return items.assign(created=created, due=due, decided=decided, in_burst=in_burst)


def _even(items: pd.DataFrame, rng: np.random.Generator) -> NDArray[np.float64]:
    """Uniform draws, spread evenly within each cycle, so that every seed has about the same number of open items."""
    rank = pd.Series(rng.random(len(items))).groupby(items["cycle"].to_numpy()).rank(method="first") - 1
    size = items.groupby("cycle")["cycle"].transform("size").to_numpy()
    spread: NDArray[np.float64] = (rank.to_numpy() + rng.random(len(items))) / size
    return spread


def _session(items: pd.DataFrame, due: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """How long before a deadline each reviewer sits down to push through what is left."""
    sitting = pd.factorize(pd.Series(list(zip(items["reviewer"], due, strict=True))))[0]
    return rng.uniform(0.4, 5.0, sitting.max() + 1)[sitting]


def _with_follow_ups(world: World, items: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Some items are escalated, deferred or sent back before they are decided."""
    n = len(items)
    shares = np.cumsum([world.escalated, world.deferred, world.sent_back])
    drawn = np.searchsorted(shares, rng.random(n))
    wait = items["decided"] - items["created"]
    is_plain = (drawn == len(FOLLOW_UPS)) | (wait < 12) | items["in_burst"]
    kind = np.where(is_plain, "", np.array([*FOLLOW_UPS, ""], dtype=object)[drawn])
    first = items["created"] + rng.uniform(0.10, 0.35, n) * wait
    until = np.floor((first + rng.uniform(0.4, 0.9, n) * (items["decided"] - first)) / LAST_DAY + 1) * LAST_DAY
    until = np.minimum(until, items["decided"] - 0.1)
    kind = np.where((kind == Outcome.DEFER) & (until < first + 1), "", kind)
    renewed = first + rng.uniform(0.4, 0.9, n) * (items["decided"] - first)
    old_value = (items["manual"] * (1 + rng.normal(0, 0.07, n))).round(PLACES)
    return items.assign(
        kind=kind,
        first=np.where(kind == "", np.nan, first),
        until=np.where(kind == Outcome.DEFER, until, np.nan),
        renewed=np.where((kind == Outcome.SEND_BACK) & items["manual"].notna(), renewed, np.nan),
        first_manual=np.where(kind == Outcome.SEND_BACK, old_value, items["manual"]),
    )


# --- what ----------------------------------------------------------------------------------------------------------


def _chosen(world: World, items: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The final outcome of each item, by the habit of whoever decides it."""
    wants = rng.random(len(items)) < _chance_of_override(world, items, rng)
    kept = _keeps_manual(items, wants, rng)
    adjusted = wants & ~kept
    final = np.where(kept, items["manual"], items["ai"])
    final = np.where(adjusted, _adjusted(world, items, rng), final).round(PLACES)
    is_override = np.abs(final - items["ai"]) > world.policy().tolerance * items["ai"].abs()
    outcome = np.select([kept, adjusted], [Outcome.KEEP_MANUAL, Outcome.ADJUST], Outcome.ACCEPT_AI)
    return items.assign(
        outcome=outcome,
        final=final,
        is_override=is_override,
        reason_code=np.where(is_override, _codes(world, items, final, rng), None),
    )


def _chance_of_override(world: World, items: pd.DataFrame, rng: np.random.Generator) -> NDArray[np.float64]:
    leaning = dict(
        zip(
            (one.name for one in world.reviewers),
            rng.normal(0, world.override_spread, len(world.reviewers)),
            strict=True,
        )
    )
    distance = items["u"].abs().clip(upper=MOST_OVERRIDDEN).fillna(0.5)
    chance = expit(world.override_start + items["reviewer"].map(leaning) + world.override_slope * distance)
    chance = chance * np.where(items["in_burst"], world.burst_override, 1.0)
    by_director = (items["kind"] == Outcome.ESCALATE).to_numpy()
    ignores = (items["habit"] == Habit.IGNORES_GAP).to_numpy() & ~by_director
    rejects = (items["habit"] == Habit.REJECTS_ALL).to_numpy() & ~by_director
    return np.select([ignores, rejects], [world.ignorer_rate, world.rejecter_rate], chance)


def _keeps_manual(items: pd.DataFrame, wants: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Who overrides often keeps the manual forecast; where the two agree, some keep it without overriding."""
    apart = ((items["manual"] - items["ai"]).abs() / items["ai"].abs()).to_numpy()
    by_choice = wants & (apart > 0.03) & (rng.random(len(items)) < 0.6)
    by_agreement = ~wants & (apart < 0.009) & (rng.random(len(items)) < 0.15)
    return by_choice | by_agreement


def _adjusted(world: World, items: pd.DataFrame, rng: np.random.Generator) -> NDArray[np.float64]:
    """A value of one's own: part of the way to the manual forecast, or a guess where there is nothing to go by."""
    n = len(items)
    share = ((items["manual"] - items["ai"]) / items["ai"]).fillna(0.0).to_numpy()
    towards = share * rng.uniform(0.5, 1.0, n)
    is_wild = (items["habit"] == Habit.REJECTS_ALL) & (items["cause"] == NO_CAUSE)
    guess = np.where(is_wild, rng.normal(0, world.rejecter_noise, n), rng.normal(0, 0.05, n))
    move = np.where((np.abs(share) > 0.04) & ~is_wild, towards, guess)
    move = np.where(move >= 0, 1.0, -1.0) * np.maximum(np.abs(move), LEAST_ADJUSTMENT)
    adjusted: NDArray[np.float64] = items["ai"].to_numpy() * (1 + move)
    # The unit's last decimal must not round a small adjustment away.
    return adjusted + np.sign(move) * 10.0**-PLACES


def _codes(
    world: World, items: pd.DataFrame, final: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.object_]:
    """The reason that people give: their cause where they have one, else what comes to mind."""
    codes = np.array([*(cause.code for cause in world.causes), ""], dtype=object)
    own = codes[items["cause"].to_numpy()]
    idle = rng.choice(["EXPERIENCE", "MARKET", "OTHER"], len(items), p=[0.75, 0.15, 0.10])
    is_degraded = items["cycle"] >= world.degraded_from - 1
    noticed = is_degraded & (final < items["ai"]) & (rng.random(len(items)) < 0.7)
    said = np.where(items["cause"] == NO_CAUSE, np.where(noticed, "MODEL_GAP", idle), own)
    return np.where((items["habit"] == Habit.IGNORES_GAP) & (items["cause"] == NO_CAUSE), "EXPERIENCE", said)


# --- step by step --------------------------------------------------------------------------------------------------


def _plain_steps(items: pd.DataFrame) -> pd.DataFrame:
    """One row a decision as it was meant: first the escalation, deferral or question, then the final choice."""
    has_first = items["kind"] != ""
    shared = {"item": items.index, "depth": 0, "act": Act.DECIDE, "flagged": items["flagged"], "ai": items["ai"]}
    final = pd.DataFrame(
        {
            **shared,
            "outcome": items["outcome"],
            "final_value": items["final"],
            "is_override": items["is_override"],
            "reason_code": items["reason_code"],
            "actor": np.where(items["kind"] == Outcome.ESCALATE, items["director"], items["reviewer"]),
            "habit": np.where(items["kind"] == Outcome.ESCALATE, Habit.FINE, items["habit"]),
            "manual": items["manual"],
            "fence": np.where(has_first, 2, 1),
            "in_burst": items["in_burst"],
            "hours": items["decided"],
        }
    )
    first = final[has_first].assign(
        outcome=items["kind"],
        final_value=np.nan,
        is_override=False,
        reason_code=None,
        actor=items["reviewer"],
        habit=items["habit"],
        manual=items["first_manual"],
        fence=1,
        hours=items["first"],
    )
    return pd.concat([first, final], ignore_index=True)


def _served(world: World, steps: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """One thing at a time: nobody decides two items at once, so a busy hour pushes decisions back."""
    n = len(steps)
    usual = np.where(steps["flagged"], 6 * 60, 100) * rng.lognormal(0, 0.5, n)
    usual = np.where(steps["habit"] == Habit.IGNORES_GAP, rng.uniform(15, 40, n), usual)
    gap = np.where(steps["in_burst"], rng.uniform(*world.burst_seconds, n), usual + rng.uniform(5, 60, n))
    touch = np.where(steps["in_burst"], gap - rng.uniform(1, 3, n), usual) * SECOND
    steps = steps.assign(touch=touch, gap=gap * SECOND).sort_values(["actor", "hours"], kind="stable")
    # decided(i) = max(meant(i), decided(i-1) + gap(i)), without a loop.
    spent = steps.groupby("actor")["gap"].cumsum()
    steps["hours"] = spent + (steps["hours"] - spent).groupby(steps["actor"]).cummax()
    return steps.sort_index()


def _undone(slipped: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """A few slips: accepted, taken back within the minute, then decided as it was meant."""
    nothing = {"final_value": np.nan, "is_override": False, "reason_code": None}
    accepted = slipped.assign(**{**nothing, "outcome": Outcome.ACCEPT_AI, "final_value": slipped["ai"]})
    taken_back = slipped["decided_at"] + pd.to_timedelta(rng.integers(12, 50, len(slipped)), unit="s")
    unseen = pd.Series(pd.NaT, index=slipped.index, dtype=slipped["opened_at"].dtype)
    undone = slipped.assign(
        **nothing,
        act=Act.UNDO,
        outcome=None,
        depth=1,
        fence=2,
        decided_at=taken_back,
        opened_at=unseen,
        claimed_at=unseen,
    )
    meant = taken_back + pd.to_timedelta(rng.integers(15, 120, len(slipped)), unit="s")
    again = slipped.assign(depth=2, fence=2, decided_at=meant, opened_at=taken_back, claimed_at=taken_back)
    return pd.concat([accepted, undone, again])


def _overturned(items: pd.DataFrame, wrong: pd.DataFrame, time: Timeline, rng: np.random.Generator) -> pd.DataFrame:
    """Corrections by a director some days later: an accepted forecast becomes the manual one, an override the AI's."""
    to_manual = ~wrong["is_override"]
    later = wrong.assign(
        depth=1,
        act=Act.OVERTURN,
        outcome=np.where(to_manual, Outcome.KEEP_MANUAL, Outcome.ACCEPT_AI),
        final_value=np.where(to_manual, wrong["manual"], wrong["ai"]),
        is_override=to_manual,
        reason_code=np.where(to_manual, "DATA_ERROR", None),
        actor=items.loc[wrong["item"], "director"].to_numpy(),
        habit=Habit.FINE,
        fence=2,
        hours=wrong["hours"] + rng.uniform(4, 30, len(wrong)),
        touch=rng.uniform(120, 600, len(wrong)) * SECOND,
    )
    return on_the_clock(later, time)
