"""Whether the AI is any good, and whether it is getting worse: the figures and alarms of METHODS 8.1 to 8.3."""

from __future__ import annotations

import pandas as pd

from review_queue.measures.coverage import (
    AS_PROMISED,
    CONCLUDED_FROM,
    FEWEST_PERIODS,
    SHOWN_FROM,
    TOO_NARROW,
    TOO_WIDE,
    coverage,
    level_of,
)
from review_queue.measures.groups import split
from review_queue.measures.losses import bias, wape
from review_queue.measures.relative_mae import avg_rel_mae
from review_queue.measures.shift import NOT_SHIFTED, SHIFTED, shifted
from review_queue.measures.skill import ALARM, TRACKING_WARNING, skill_path, tracking_signal
from review_queue.measures.value_added import ADDS, CANT_TELL, COSTS, ENOUGH_ROWS, matched, steps_of

COLUMNS = ("group", "n", "measure", "value", "baseline", "alarm")
#: What a verdict in words means for the alarm; any other is too little to say.
_ALARMS = {
    ADDS: False,
    CANT_TELL: False,
    COSTS: True,
    AS_PROMISED: False,
    TOO_NARROW: True,
    TOO_WIDE: True,
    NOT_SHIFTED: False,
    SHIFTED: True,
}


def ai_health(reviews: pd.DataFrame, *, groups: pd.Series | None = None) -> pd.DataFrame:
    """The AI's figures by group, decided or not, wherever the actual is known, and which of them raise an alarm.

    Args:
        reviews: with ``ai``, ``naive`` and ``actual``, ``ai_low``, ``ai_high`` and ``ai_level`` (nominal coverage,
            0 to 1), ``series``, ``period``, ``created_at``, where they are known ``actual_final_at`` and the further
            columns that ``value_added`` reads.

    Returns:
        Three rows a group. ``wape`` and ``bias`` with the naive forecast's as baseline, on the reviews that have both
        (baseline NaN for a workflow without any); ``coverage``, the share of actuals inside the AI's interval (NaN
        below 30), with its nominal level as baseline and the alarm of ``coverage``, from 80 actuals in 8 periods.
        Further rows where there is enough: ``tracking_signal`` as it stands now (baseline: where its warning lies),
        from 8 periods; from 30 actuals with a naive forecast ``skill``, the mean relative skill (baseline 0),
        ``e_cusum`` as it stands now (baseline: where its alarm lies; the alarm stays on once it was raised), and
        ``avg_rel_mae`` against the naive forecast (baseline 1; alarm where its interval lies above).
        ``alarm`` is true or false, and unknown where there is none or too little to say.
    """
    if reviews["ai"].isna().all():
        return pd.DataFrame(columns=list(COLUMNS))
    steps = [step for step in steps_of(reviews) if step in ("naive", "ai")]
    rows = [
        {"group": name, **row}
        for name, part in split(matched(reviews, ["ai"]), groups)
        if len(part)
        for row in _rows(part, steps)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def shift_health(reviews: pd.DataFrame, is_reference: pd.Series, *, groups: pd.Series | None = None) -> pd.DataFrame:
    """Whether the gaps spread otherwise than before, without any actuals, in the columns of ``ai_health``.

    Args:
        reviews: with ``u``. is_reference: which of them were before, with the same index.

    Returns:
        One row a group, ``psi_u``: the index, with its limit as baseline; NaN below 50 on either side, and no alarm
        below 200.
    """
    found = shifted(reviews, is_reference, of="u", groups=groups)
    named = found.rename(columns={"psi": "value", "limit": "baseline"}).assign(measure="psi_u")
    alarm = [None if verdict == CANT_TELL else _ALARMS.get(verdict) for verdict in found["verdict"]]
    return named.assign(alarm=pd.Series(alarm, index=found.index, dtype="object"))[list(COLUMNS)]


def _rows(part: pd.DataFrame, steps: list[str]) -> list[dict[str, object]]:
    compared = matched(part, steps)
    rows = [*_errors(compared), _coverage(part), *_tracking(part)]
    if "naive" in steps and len(compared) >= ENOUGH_ROWS:
        rows += [*_skill(compared), *_relative(compared)]
    return rows


def _errors(part: pd.DataFrame) -> list[dict[str, object]]:
    actual, weight = part["actual"], part["value_per_unit"]
    return [
        {
            "n": len(part),
            "measure": measure.__name__,
            "value": measure(part["ai"], actual, weight),
            "baseline": measure(part["naive"], actual, weight) if part["naive"].notna().all() else float("nan"),
        }
        for measure in (wape, bias)
    ]


def _coverage(part: pd.DataFrame) -> dict[str, object]:
    """Over all reviews, of which several may be of one actual; the alarm counts each actual once."""
    seen = part[~part["is_lower_bound"].astype(bool)].dropna(subset=["ai_low", "ai_high"])
    inside = seen["actual"].between(seen["ai_low"], seen["ai_high"]).mean() if len(seen) >= SHOWN_FROM else float("nan")
    verdict = str(coverage(seen)["verdict"].iloc[0]) if len(seen) >= CONCLUDED_FROM else CANT_TELL
    return {
        "n": len(seen),
        "measure": "coverage",
        "value": inside,
        "baseline": level_of(seen["ai_level"]),
        "alarm": None if verdict == CANT_TELL else _ALARMS.get(verdict),
    }


def _tracking(part: pd.DataFrame) -> list[dict[str, object]]:
    if part["period"].nunique() < FEWEST_PERIODS:
        return []
    signals = tracking_signal(part)
    last = signals.iloc[-1]
    return [
        {
            "n": int(signals["n"].sum()),
            "measure": "tracking_signal",
            "value": last["signal"],
            "baseline": TRACKING_WARNING,
            "alarm": bool(last["warning"]),
        }
    ]


def _skill(part: pd.DataFrame) -> list[dict[str, object]]:
    path = skill_path(part)
    if len(path) < ENOUGH_ROWS:
        return []
    same = {"n": len(path)}
    return [
        {**same, "measure": "skill", "value": path["skill"].mean(), "baseline": 0.0},
        {
            **same,
            "measure": "e_cusum",
            "value": path["evidence"].iloc[-1],
            "baseline": ALARM,
            "alarm": bool(path["alarm"].any()),
        },
    ]


def _relative(part: pd.DataFrame) -> list[dict[str, object]]:
    # Only AI and naive are compared, whatever else there is.
    found = avg_rel_mae(part.assign(manual=float("nan"), final=float("nan")), step="ai", reference="naive")
    if found.empty or pd.isna(found["avg_rel_mae"].iloc[0]):
        return []
    row = found.iloc[0]
    return [
        {
            "n": int(row["n"]),
            "measure": "avg_rel_mae",
            "value": row["avg_rel_mae"],
            "baseline": 1.0,
            "alarm": None if row["verdict"] is None else _ALARMS[row["verdict"]],
        }
    ]
