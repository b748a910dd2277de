"""AI health: is the AI still as good as it was? Its sentences and tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from review_queue.measures import shift
from review_queue.measures.ai_health import ai_health as figures_of
from review_queue.measures.ai_health import shift_health
from review_queue.measures.coverage import CONCLUDED_FROM, FEWEST_PERIODS, SHOWN_FROM, coverage
from review_queue.measures.overrides import judged
from review_queue.measures.recent import AS_BEFORE, BETTER, WORSE, Change, change
from review_queue.measures.recent import by_period as errors_by_period
from review_queue.measures.resampling import FEWEST_CLUSTERS
from review_queue.measures.skill import ALARM, SKILL_CAVEAT, TRACKING_WARNING, WARNING, skill_path, tracking_signal
from review_queue.measures.value_added import CANT_TELL, ENOUGH_ROWS, added
from workbench.analytics import groups_for
from workbench.analytics_parts import count_column, share_column, text_column
from workbench.known_reviews import Reviews
from workbench.screens.columns import compact_column, date_column, number_column

RECENT_WEEKS = 13  #: that count as now where no actual is needed
VERSION = "model_version"

#: Share that ``measures.shift.weekly_signs`` watches → how sentences name it.
SIGNS = {
    "flagged": "flagged for judgement",
    "override_rate": "overridden",
    "data_or_model_reasons": "overrides for a data error or a model blind spot",
    "withheld": "decided without the AI's value",
    "missing": "without an AI forecast",
}

EVIDENCE_COLUMNS = {
    "day": date_column("Actuals of"),
    "n": count_column("Actuals"),
    "periods": text_column("Periods"),
    "version": text_column("Model version"),
    "skill": number_column("Mean relative skill"),
    "highest": compact_column("Highest evidence"),
    "state": text_column("State"),
}
PERIOD_COLUMNS = {
    "period": text_column("Period"),
    "n": count_column("Actuals"),
    "wape": share_column("WAPE of the AI"),
    "low": share_column("95 % from"),
    "high": share_column("to"),
    "naive_wape": share_column("WAPE of naive"),
    "bias": share_column("Bias of the AI"),
    "signal": number_column("Tracking signal"),
    "model_version": text_column("Model version"),
}
COVERAGE_COLUMNS = {
    "group": text_column("Model version"),
    "n": count_column("Actuals"),
    "periods": count_column("Periods"),
    "level": share_column("Promised"),
    "inside": share_column("Inside"),
    "low": share_column("95 % from"),
    "high": share_column("to"),
    "below": share_column("Below the range"),
    "above": share_column("Above the range"),
    "verdict": text_column("Verdict"),
}
FIGURE_COLUMNS = {
    "group": text_column("Group"),
    "alarms": text_column("Alarms"),
    "n": count_column("Actuals"),
    "wape": share_column("WAPE of the AI"),
    "naive_wape": share_column("WAPE of naive"),
    "bias": share_column("Bias of the AI"),
    "coverage": share_column("Inside the range"),
    "level": share_column("Promised"),
    "tracking_signal": number_column("Tracking signal"),
    "avg_rel_mae": number_column("Error against naive"),
    "e_cusum": compact_column("Evidence now"),
}
SIGN_COLUMNS = {
    "week": date_column("Week of"),
    "n": count_column("Forecasts"),
    "median_u": number_column("Median gap (usual misses)"),
    "flagged": share_column("Flagged"),
    "override_rate": share_column("Overridden"),
    "data_or_model_reasons": share_column("Data or model blamed"),
    "withheld": share_column("Without the AI's value"),
    "missing": share_column("No AI forecast"),
    "outside": text_column("Outside its limits, twice in a row"),
}
_MEASURES = {
    "wape": "error",
    "coverage": "range",
    "tracking_signal": "bias",
    "e_cusum": "evidence against it",
    "avg_rel_mae": "error against naive",
}

HOW_TO_READ = f"""
**Evidence** (e-CUSUM) grows with every actual that the AI missed by more than the naive forecast did, and shrinks with
every other. At {WARNING:.0f} it is a warning, at {ALARM:.0f} an **alarm**: the AI has been worse than the naive
forecast, and not by chance. It does not say by how much. Of AIs exactly as good as naive, 1.5 % raised an alarm
within 500 actuals (simulated).

{SKILL_CAVEAT} An error twice as large took 83 actuals to the alarm, one a quarter larger 310 (medians, simulated); and
an actual comes only when its period is over. What needs no actuals is quicker, and less sure of what it means.

**Now against before** sees what the alarm does not: an AI that falls from good to as good as naive. All series of a
period share its luck, so a change by less than a tenth is not called one.

**Inside the range**: actuals of one period hang together, and count for fewer than they are. A verdict needs
{CONCLUDED_FROM} actuals in {FEWEST_PERIODS} periods.
"""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where the evidence against the AI stands."""

    n: int  #: actuals with a naive forecast
    now: float
    alarm_since: datetime | None  #: when the alarm went on; None while it is off
    alarm_version: str | None  #: the model version whose forecast raised it
    version: str | None  #: the newest that has an actual


# --- tables --------------------------------------------------------------------------------------------------------


def path_of(known: Reviews) -> pd.DataFrame:
    """``measures.skill.skill_path`` with the ``version`` that made each forecast."""
    path = skill_path(known.table)
    return path.assign(version=known.table[VERSION].reindex(path.index))


def evidence_of(path: pd.DataFrame) -> Evidence:
    """Where a path, as ``path_of`` gives it, has come to. An alarm stays on until the evidence is back at 1."""
    if path.empty:
        return Evidence(0, 1.0, None, None, None)
    since = path[(path["evidence"] <= 1)[::-1].cumsum()[::-1] == 0]  # what came after it last was back
    raised = since[since["alarm"]]
    first = raised.iloc[0] if len(raised) else None
    return Evidence(
        n=len(path),
        now=float(path["evidence"].iloc[-1]),
        alarm_since=None if first is None else first["when"].to_pydatetime(),
        alarm_version=None if first is None else first["version"],
        version=path["version"].iloc[-1],
    )


def evidence_by_day(known: Reviews, path: pd.DataFrame) -> pd.DataFrame:
    """A path day by day, in the workflow's zone: ``n`` actuals and their ``periods``, mean ``skill``, the ``highest``
    evidence of the day, which is what raises an alarm, its ``state``, and the newest ``version``."""
    days = path["when"].dt.tz_convert(known.workflow.policy.zone).dt.tz_localize(None).dt.normalize()
    by_day = path.groupby(days.rename("day"), sort=True)
    table = by_day.agg(
        n=("skill", "size"), skill=("skill", "mean"), highest=("evidence", "max"), version=("version", "last")
    )
    table["periods"] = path["period"].groupby(days).agg(lambda periods: _span(list(periods.dropna().unique())))
    table["state"] = ""
    table.loc[table["highest"] >= WARNING, "state"] = "warning"
    table.loc[table["highest"] >= ALARM, "state"] = "alarm"
    return table.reset_index()


def by_period(known: Reviews) -> pd.DataFrame:
    """The AI's error by period, as ``measures.recent.by_period`` gives it, with the tracking ``signal``."""
    table = errors_by_period(known.table)
    if table.empty:
        return table.assign(signal=float("nan"))
    signals = tracking_signal(known.table[known.table["period"].notna()])
    return table.merge(signals[["period", "signal"]], on="period", how="left")


def coverage_by_version(known: Reviews) -> pd.DataFrame:
    """How many actuals lay inside the AI's range, by model version, the newest last."""
    table = coverage(known.table, groups=known.table[VERSION])
    return _newest_last(table, known)


def figures(known: Reviews, by: str) -> pd.DataFrame:
    """Every figure of ``measures.ai_health``, a row for each group (``by``: ``model_version`` or one of the splits)."""
    is_version = by == VERSION
    table = figures_of(known.table, groups=known.table[VERSION] if is_version else groups_for(known, by))
    if table.empty:
        return pd.DataFrame(columns=list(FIGURE_COLUMNS))
    names = table["group"].fillna("unknown")
    wide = table.assign(group=names).pivot(index="group", columns="measure", values="value")
    base = table.assign(group=names).pivot(index="group", columns="measure", values="baseline")
    errors = table[table["measure"] == "wape"].set_index(names[table["measure"] == "wape"])
    raised = table[table["alarm"].eq(True)]
    alarms = raised["measure"].map(_MEASURES).groupby(names.reindex(raised.index)).agg(", ".join)
    wide = wide.assign(n=errors["n"], naive_wape=base["wape"], level=base["coverage"], alarms=alarms)
    wide["alarms"] = wide["alarms"].fillna("")
    wide.loc[wide["n"] < ENOUGH_ROWS, ["wape", "naive_wape", "bias"]] = float("nan")
    wide = wide.reset_index().reindex(columns=list(FIGURE_COLUMNS)).rename_axis(columns=None)
    return _newest_last(wide, known) if is_version else wide


def signs_by_week(known: Reviews) -> pd.DataFrame:
    """What moves before any actual is known, a row a week, the newest first. ``outside`` names the alarms."""
    table = known.table
    days = table["created_at"].dt.tz_convert(known.workflow.policy.zone).dt.tz_localize(None).dt.normalize()
    weeks = days - pd.to_timedelta(days.dt.weekday, unit="D")
    signs = shift.weekly_signs(table, weeks, tolerance=known.tolerance)
    # Of what is still open it is not known whether the AI's value will have been there.
    decided = judged(table)
    decided = decided.assign(withheld=decided["is_degraded"].map({True: "withheld", False: ""}))
    without = shift.weekly_signs(decided, weeks, tolerance=known.tolerance)
    signs = pd.concat([signs, without[without["sign"] == "withheld"]], ignore_index=True)
    if signs.empty:
        return pd.DataFrame(columns=list(SIGN_COLUMNS))
    wide = signs.pivot(index="week", columns="sign", values="value")
    raised = signs[signs["alarm"].eq(True)]
    outside = raised["sign"].map(SIGNS).groupby(raised["week"]).agg(", ".join)
    counts = signs[signs["sign"] == "missing"].set_index("week")["n"]
    wide = wide.assign(n=counts, outside=outside).assign(outside=lambda made: made["outside"].fillna(""))
    return (
        wide.reindex(columns=list(SIGN_COLUMNS)[1:]).rename_axis("week").rename_axis(columns=None).reset_index()[::-1]
    )


# --- answers in a sentence -----------------------------------------------------------------------------------------


def changed(known: Reviews) -> Change | None:
    """The last few periods against those before, as ``measures.recent.change`` gives them."""
    return change(known.table)


def answer(found: Change | None) -> str:
    """Whether the AI is as good as it was, with the intervals; or what is missing to say."""
    if found is None:
        return f"Can't tell yet: 0 of {ENOUGH_ROWS} actuals."
    if found.verdict == CANT_TELL:
        return _too_early(found)
    word = {
        WORSE: "No",
        AS_BEFORE: "Yes, as far as can be told",
        BETTER: "Yes, it is better",
    }[found.verdict]
    measured = "Its error" if pd.isna(found.naive_wape) else "Measured against the naive forecast its error"
    return (
        f"{word}: in {_span(list(found.periods))} it missed by {found.wape:.1%} of the actuals (95 % interval "
        f"{found.low:.1%} to {found.high:.1%}), before that by {found.before:.1%}. {measured} is {found.factor:.1f} "
        f"times what it was (95 % interval {found.factor_low:.1f} to {found.factor_high:.1f})."
    )


def alarm_answer(evidence: Evidence, zone: object) -> str:
    """Whether the alarm against the naive forecast is on, and since when."""
    if not evidence.n:
        return "Without naive forecasts and their actuals there is no alarm that could be raised."
    if evidence.n < ENOUGH_ROWS:
        return f"Alarm against the naive forecast: can't tell yet, {evidence.n} of {ENOUGH_ROWS} actuals."
    if evidence.alarm_since is None:
        words = "has reached the warning, not the alarm" if evidence.now >= WARNING else "is below warning and alarm"
        return f"The evidence that it is worse than the naive forecast {words}."
    local = pd.Timestamp(evidence.alarm_since).tz_convert(zone)  # type: ignore[arg-type]
    of = f", with {evidence.alarm_version}" if evidence.alarm_version else ""
    newer = evidence.version != evidence.alarm_version
    since = f" {evidence.version} has come since: its own figures are in the table by model version." if newer else ""
    return f"The alarm that it is worse than the naive forecast has been on since {_day(local)}{of}.{since}"


def bias_answer(found: Change | None, periods: pd.DataFrame) -> str:
    """Whether the AI leans to one side: now, and by its tracking signal. Empty below 30 actuals."""
    if found is None or pd.isna(found.bias):
        return ""
    lean = f"{abs(found.bias):.1%} too {'high' if found.bias > 0 else 'low'}"
    said = f"Bias: in {_span(list(found.periods))} its forecasts were {lean} in all."
    known = periods.dropna(subset=["signal"])
    if len(known) < FEWEST_PERIODS:
        return f"{said} Tracking signal: can't tell yet, {len(known)} of {FEWEST_PERIODS} periods."
    signal = float(known["signal"].iloc[-1])
    state = "a warning" if abs(signal) > TRACKING_WARNING else "no warning yet"
    number = f"{signal:+.2f}".replace("-", "−")
    return f"{said} Its tracking signal, which is slower, is {number}: {state} (limit ±{TRACKING_WARNING})."


def coverage_answer(table: pd.DataFrame) -> str:
    """Whether the range of the newest model version holds what it promises. ``table``: ``coverage_by_version``."""
    known = table[table["group"].notna()] if table["group"].notna().any() else table
    known = known[known["n"] > 0]
    if known.empty:
        return "Range: no forecast that has a range has an actual."
    row = known.iloc[-1]
    name = row["group"] or "the AI"
    if row["n"] < SHOWN_FROM:
        return f"Range of {name}: can't tell yet, {row['n']} of {SHOWN_FROM} actuals."
    if row["verdict"] == CANT_TELL:
        missing = (
            f"{row['periods']} of {FEWEST_PERIODS} periods"
            if row["periods"] < FEWEST_PERIODS
            else f"{row['n']} of {CONCLUDED_FROM} actuals"
        )
        verdict = f"can't tell yet, {missing}"
    else:
        verdict = str(row["verdict"])
    return (
        f"Range: the {row['level']:.0%} range of {name} held {row['inside']:.0%} of the actuals "
        f"(95 % interval {row['low']:.0%} to {row['high']:.0%}); {row['below']:.0%} fell below it and "
        f"{row['above']:.0%} above: {verdict}."
    )


def early_answer(known: Reviews, weeks: pd.DataFrame, found: Change | None) -> str:
    """What has changed without waiting for actuals: the gaps, and the weekly signs outside their limits.

    Args:
        weeks: as ``signs_by_week`` gives it. found: as ``changed`` does.
    """
    is_now = known.table["created_at"] >= pd.Timestamp(known.as_of - timedelta(weeks=RECENT_WEEKS))
    gaps = known.table["u"].abs()
    now, before = gaps[is_now].median(), gaps[~is_now].median()
    index = shift_health(known.table, ~is_now).iloc[0]
    spread = f"Without waiting for actuals, the last {RECENT_WEEKS} weeks against all before"
    if pd.isna(index["value"]):
        counts = f"{gaps[is_now].count():,} and {gaps[~is_now].count():,} gaps, {shift.SHOWN_FROM} of each needed"
        return f"{spread}: can't tell yet, {counts}."
    if index["alarm"] is None:
        verdict = f"can't tell yet, {shift.CONCLUDED_FROM} gaps of each needed"
    else:
        verdict = "a shift" if index["alarm"] else "no sign of a shift"
    is_rising = bool(index["alarm"]) and now > before
    return (
        f"{spread}: the median gap between manual and AI went from {before:.2f} to {now:.2f} usual misses; the gaps' "
        f"stability index (PSI) is {index['value']:.2f}, its limit for so many {index['baseline']:.2f}: {verdict}. "
        f"{_last_alarm(weeks)}{_meaning(known, found, is_rising=is_rising)}"
    )


def _last_alarm(weeks: pd.DataFrame) -> str:
    raised = weeks[weeks["outside"] != ""]
    if raised.empty:
        return "No weekly share was outside its limits twice in a row."
    row = raised.iloc[0]
    return f"Last outside its limits twice in a row, in the week of {_day(row['week'])}: {row['outside']}."


def _meaning(known: Reviews, found: Change | None, *, is_rising: bool) -> str:
    """What growing disagreement points to, from what overrides added lately; empty where that cannot be told."""
    if not is_rising or found is None:
        return ""
    lately = added(known.table[known.table["period"].isin(found.periods)])
    means = shift.disagreement_means(is_rising=True, verdict=None if lately.empty else lately["verdict"].iloc[0])
    if not means:
        return ""
    article = "an" if means.startswith("A") else "a"
    return f" Seen with what overrides added in {_span(list(found.periods))}, it looks like {article} {means}."


def _too_early(found: Change) -> str:
    if found.n < ENOUGH_ROWS:
        return f"Can't tell yet: {found.n} of {ENOUGH_ROWS} actuals."
    now = f"in {_span(list(found.periods))} it missed by {found.wape:.1%} of the actuals"
    if found.n_before < ENOUGH_ROWS:
        return f"Can't tell yet: {now}, and there are {found.n_before} of {ENOUGH_ROWS} actuals from before."
    return f"Can't tell yet: {now}, before that by {found.before:.1%}, in fewer than {FEWEST_CLUSTERS} series."


def _newest_last(table: pd.DataFrame, known: Reviews) -> pd.DataFrame:
    """Model versions in the order in which they first came in; reviews without one stand first."""
    first = known.table.groupby(VERSION)["created_at"].min().sort_values(kind="stable")
    order = {str(name): place for place, name in enumerate(first.index)}
    return table.sort_values("group", key=lambda names: names.map(order).fillna(-1), ignore_index=True, kind="stable")


def _span(periods: list[str]) -> str:
    if not periods:
        return ""
    return periods[0] if len(periods) == 1 else f"{periods[0]} to {periods[-1]}"


def _day(day: pd.Timestamp) -> str:
    return f"{day.day} {day:%B %Y}"
