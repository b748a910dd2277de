"""Real overrides of a real model, each figure worked out a second way: by pandas alone, without our functions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from review_queue.measures.coverage import coverage
from review_queue.measures.losses import wis
from review_queue.measures.outcomes import QUARTILES, effectiveness, effectiveness_by, overridden
from review_queue.measures.relative_mae import avg_rel_mae
from review_queue.measures.value_added import ADDS, CANT_TELL, COSTS, value_added
from tests.real_data import SHARED, real_data
from tests.review_queue.measures.made_reviews import ORDINARY

pytestmark = real_data
QUANTILES = {"ai_q05": 0.05, "ai_q25": 0.25, "ai_forecast": 0.5, "ai_q75": 0.75, "ai_q95": 0.95}
#: MAE of the final value over the AI's, by target: README of the data.
PUBLISHED = {"cases": 1.10955, "deaths": 1.24729}


@pytest.fixture(scope="module")
def raw() -> pd.DataFrame:
    table = pd.read_csv(SHARED / "uk_rt_reviews.csv")
    return table.assign(place=table["target"] + table["horizon"].astype(str))


@pytest.fixture(scope="module")
def uk(raw) -> pd.DataFrame:
    table = pd.DataFrame({name: [value] * len(raw) for name, value in ORDINARY.items()})
    for name, column in {"series": "series", "period": "period", "reviewer": "reviewer", "actual": "actual"}.items():
        table[name] = raw[column]
    for name in ("created_at", "decided_at"):
        table[name] = pd.to_datetime(raw[name], utc=True)
    nothing = dict.fromkeys(("naive", "manual"), np.nan)
    ranges = {"ai_low": raw["ai_q05"], "ai_high": raw["ai_q95"], "ai_level": 0.9}
    values = {"ai": raw["ai_forecast"], "final": raw["final_forecast"], "actual": raw["actual"].astype(float)}
    further = {"attribute_horizon": raw["horizon"].astype(str), "scale": (raw["ai_q95"] - raw["ai_q05"]) / 3.29}
    return table.assign(state="decided", **nothing, **values, **ranges, **further)


def by_pandas_alone(raw: pd.DataFrame, by: str) -> pd.DataFrame:
    errors = raw.assign(
        ai_error=(raw["actual"] - raw["ai_forecast"]).abs(), error=(raw["actual"] - raw["final_forecast"]).abs()
    )
    sums = errors.groupby(by)[["ai_error", "error", "actual"]].sum()
    return pd.DataFrame(
        {
            "rel_mae": sums["error"] / sums["ai_error"],
            "fva_points": 100 * (sums["ai_error"] - sums["error"]) / sums["actual"],
        }
    )


def slow_bootstrap(part: pd.DataFrame, draws: int = 1000) -> tuple[float, float]:
    """Whole weeks drawn one by one, with all their rows."""
    random = np.random.default_rng(4)
    weeks = [week for _, week in part.groupby("created_at")]
    found = []
    for _ in range(draws):
        rows = [weeks[place] for place in random.integers(len(weeks), size=len(weeks))]
        actual, ai, final = (
            np.concatenate([week[name] for week in rows]) for name in ("actual", "ai_forecast", "final_forecast")
        )
        found.append(100 * (np.abs(actual - ai) - np.abs(actual - final)).sum() / actual.sum())
    return tuple(np.quantile(found, [0.025, 0.975]))


@pytest.mark.parametrize("by", ["target", "place"])
def test_what_people_added_is_what_pandas_alone_finds(raw, uk, by):
    expected = by_pandas_alone(raw, by)

    found = value_added(uk, groups=raw[by], clusters=raw["created_at"])
    final = found[found["step"] == "final"].set_index("group")

    pd.testing.assert_frame_equal(final[["rel_mae", "fva_points"]], expected, check_names=False)
    assert (final["low"] < final["fva_points"]).all()
    assert (final["fva_points"] < final["high"]).all()
    words = [ADDS if low > 0 else COSTS if high < 0 else CANT_TELL for low, high in final[["low", "high"]].to_numpy()]
    assert final["verdict"].tolist() == words


def test_the_relative_errors_are_as_published_and_only_deaths_are_sure_to_have_suffered(raw, uk):
    found = value_added(uk, groups=raw["target"], clusters=raw["created_at"])
    final = found[found["step"] == "final"].set_index("group")

    assert final["rel_mae"].round(5).to_dict() == PUBLISHED
    assert final["verdict"].to_dict() == {"cases": CANT_TELL, "deaths": COSTS}


def test_by_series_there_are_too_few_to_conclude_from(raw, uk):
    found = value_added(uk, groups=raw["target"])

    assert found[["low", "high", "verdict"]].isna().all(axis=None)
    assert avg_rel_mae(uk)[["low", "verdict"]].isna().all(axis=None)


def test_the_interval_is_that_of_a_slow_bootstrap(raw, uk):
    deaths = raw["target"] == "deaths"

    final = value_added(uk[deaths], clusters=raw["created_at"]).set_index("step").loc["final"]
    low, high = slow_bootstrap(raw[deaths])

    assert (final["low"], final["high"]) == pytest.approx((low, high), abs=0.1 * (high - low))


def test_the_average_ratio_is_that_of_logarithms_by_hand(raw, uk):
    ratios = by_pandas_alone(raw, "series")["rel_mae"]  # 81 rows each

    assert avg_rel_mae(uk)["avg_rel_mae"].iloc[0] == pytest.approx(np.exp(np.log(ratios).mean()))


def test_overrides_by_size_are_what_pandas_alone_finds(raw, uk):
    past = overridden(uk, tolerance=0.01)
    change = (raw["final_forecast"] - raw["ai_forecast"]).abs()
    made = raw[change > 0.01 * raw["ai_forecast"]]
    size = change[made.index] / ((made["ai_q95"] - made["ai_q05"]) / 3.29)
    quarter = np.ceil(4 * size.rank(method="max") / len(made)).to_numpy()
    nearer = (made["actual"] - made["final_forecast"]).abs() < (made["actual"] - made["ai_forecast"]).abs()

    found = effectiveness_by(past, "size").set_index("group").loc[list(QUARTILES)]

    assert len(past) == 601
    assert found["n"].tolist() == nearer.groupby(quarter).size().tolist()
    assert found["hit"].tolist() == pytest.approx(nearer.groupby(quarter).mean().tolist())
    assert effectiveness(past)["hit"].iloc[0] == pytest.approx(nearer.mean())
    # The identity of METHODS 3.5 leaves nobody out.
    assert (past["helped"] == ((past["adj"] / past["gap"] > 0) & (past["adj"] / past["gap"] < 2))).all()


def test_the_score_of_the_models_quantiles_is_that_of_a_loop(raw):
    scores = []
    for row in raw.itertuples():
        y, median = row.actual, row.ai_forecast
        total = abs(y - median) / 2
        for low, high, alpha in ((row.ai_q25, row.ai_q75, 0.5), (row.ai_q05, row.ai_q95, 0.1)):
            total += alpha / 2 * (high - low + 2 / alpha * (max(low - y, 0) + max(y - high, 0)))
        scores.append(total / 2.5)

    found = wis(raw[list(QUANTILES)].rename(columns=QUANTILES), raw["actual"])

    np.testing.assert_allclose(found, scores)


def test_the_models_ranges_are_counted_once_an_actual(raw, uk):
    once = raw.drop_duplicates(["series", "period"])
    inside = once["actual"].between(once["ai_q05"], once["ai_q95"])

    row = coverage(uk).iloc[0]

    assert (row["n"], row["periods"]) == (len(once), raw["period"].nunique())
    assert row["inside"] == pytest.approx(inside.mean())
