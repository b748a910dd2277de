"""The funnel by week, by hand."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from review_queue.measures.adoption import COLUMNS, STEPS, adoption, conversions, reached
from tests.review_queue.measures.made_reviews import NOON, reviews

MONDAY = datetime(2025, 3, 3, 9, tzinfo=UTC)
KINDS = ("unseen", "waiting", "opened", "accepted", "informed", "uninformed", "batch", "withdrawn")


def review(kind: str, *, created=MONDAY, after: float = 5, **changes) -> dict:
    """A live review with an AI value of 100 that got as far as ``kind`` says."""
    row = {"item": 1, "created_at": created, "ai": 100, "opened_at": None, "withheld": None}
    opened, decided = created + timedelta(hours=1), created + timedelta(hours=after)
    done = {"state": "decided", "decided_at": decided, "started_at": opened, "opened_at": opened, "final": 100}
    further = {
        "unseen": {"ai": None},
        "waiting": {},
        "opened": {"started_at": opened},
        "accepted": done,
        "informed": {**done, "final": 120, "reason": "PROMO"},
        "uninformed": {**done, "final": 120, "reason": "EXPERIENCE"},
        "batch": {**done, "opened_at": None},
        "withdrawn": {"state": "withdrawn", "withdrawn_at": decided},
    }
    return {**row, **further[kind], **changes}


def made(*rows: dict) -> pd.DataFrame:
    table = reviews(*rows)
    for column in {"opened_at", "locked_at", "used_at"} & set(table):
        table[column] = pd.to_datetime(table[column], utc=True)
    return table


def counts(*rows: dict, tolerance: float = 0.01) -> dict[str, float]:
    found = adoption(made(*rows), tolerance=tolerance)
    assert len(found) == 1
    return found.iloc[0].to_dict()


def test_each_step_counts_those_that_got_there():
    found = counts(*(review(kind) for kind in KINDS))

    assert found["week"] == "2025-W10"
    expected = {"eligible": 7, "produced": 6, "shown": 6, "opened": 4, "decided": 4, "informed": 3}
    assert {step: found[step] for step in expected} == expected


def test_what_nobody_knows_is_unknown_and_not_none():
    found = counts(review("accepted"))

    assert np.isnan(found["unchanged"])
    assert np.isnan(found["used"])


def test_a_value_withheld_as_too_old_was_produced_but_not_shown():
    found = counts(review("waiting", withheld="too_old", ai=None), review("unseen", withheld="absent"))

    assert (found["produced"], found["shown"]) == (1, 0)


def test_a_paused_value_was_produced_and_one_of_an_earlier_version_was_shown_too():
    found = counts(
        review("waiting", withheld="paused", ai=None),
        review("waiting", withheld="other_version", ai=None),
        review("waiting", withheld="rolled_back"),
    )

    assert (found["produced"], found["shown"]) == (3, 1)


def test_a_batch_decides_what_it_never_opened():
    found = counts(review("batch"), review("accepted"))

    assert (found["opened"], found["decided"]) == (1, 2)


@pytest.mark.parametrize(
    ("final", "reason", "informed"),
    [
        (100.9, None, 1),
        (120, "PROMO", 1),
        (120, "DATA_ERROR", 1),
        (120, "PLAN_ALIGN", 0),
        (120, "OTHER", 0),
        (120, None, 0),
    ],
)
def test_an_override_is_informed_if_its_reason_brings_something(final, reason, informed):
    assert counts(review("accepted", final=final, reason=reason))["informed"] == informed


def test_a_value_counts_as_used_if_it_is_the_one_that_was_decided_and_locked():
    locked = {"locked_at": MONDAY + timedelta(days=2)}
    found = counts(
        review("accepted", plan_value=100, used_value=100, **locked),
        review("accepted", plan_value=100, used_value=90, **locked),
        review("accepted", plan_value=110, used_value=100, **locked),
        review("accepted", plan_value=None, used_value=None, locked_at=None),
    )

    assert (found["informed"], found["unchanged"], found["used"]) == (4, 2, 1)


def test_reviews_from_before_go_live_are_not_part_of_the_funnel():
    assert counts(review("accepted"), review("accepted", item=None))["eligible"] == 1


def test_a_week_is_one_of_the_workflows_zone():
    late = datetime(2025, 3, 9, 23, 30, tzinfo=UTC)

    found = adoption(made(review("waiting", created=late)), tolerance=0.01, timezone="Europe/Berlin")

    assert found["week"].tolist() == ["2025-W11"]


def test_a_conversion_is_a_share_with_its_wilson_interval():
    rows = [review("accepted")] * 6 + [review("uninformed")] * 2

    found = step_of(conversions(times(*rows), as_of=NOON), "informed")

    assert (found["reached"], found["pending"], found["n"], found["converted"]) == (8, 0, 8, 6)
    assert (found["low"], found["high"]) == pytest.approx(proportion_confint(6, 8, method="wilson"))


def test_what_is_inside_the_steps_p85_time_is_pending_and_not_lost():
    # Twenty are decided 1 to 20 h after they are opened, and one never: P85 of those who ever are is 18 h.
    decided = [review("accepted", after=1 + hours) for hours in range(1, 21)]
    as_of = MONDAY + timedelta(days=20)
    lost = review("opened")
    in_time = review("opened", created=as_of - timedelta(hours=1 + 10))
    too_late = review("opened", created=as_of - timedelta(hours=1 + 40))

    found = conversions(times(*decided, lost, in_time, too_late), as_of=as_of)
    found = found[found["step"] == "decided"].set_index("week")

    assert found.loc["2025-W10", ["reached", "pending", "n", "converted"]].tolist() == [21, 0, 21, 20]
    assert found.loc["2025-W12", ["reached", "pending", "n", "converted"]].tolist() == [2, 1, 1, 0]


def test_while_nobody_has_taken_a_step_all_are_pending():
    found = step_of(conversions(times(review("waiting"), review("waiting")), as_of=NOON), "opened")

    assert (found["pending"], found["n"]) == (2, 0)
    assert np.isnan(found["rate"])


def test_without_reviews_there_are_no_weeks():
    assert adoption(made(), tolerance=0.01).empty
    assert list(adoption(made(), tolerance=0.01).columns) == list(COLUMNS)


drawn = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 30), st.sampled_from("ab")), min_size=1, max_size=15)


@given(drawn, st.floats(0.01, 1000), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=15)
def test_segments_add_up_order_does_not_matter_and_nor_does_the_currency(made_of, rate, random):
    table = made(*(review(kind, created=MONDAY + timedelta(days=days)) for kind, days, _ in made_of))
    segment = pd.Series([name for *_, name in made_of])
    shuffled = table.loc[random.sample(list(table.index), len(table))].copy()
    shuffled[["ai", "final"]] *= rate

    whole = adoption(table, tolerance=0.01).set_index("week")
    parts = [adoption(table[segment == name], tolerance=0.01).set_index("week") for name in "ab"]

    pd.testing.assert_frame_equal(whole, adoption(shuffled, tolerance=0.01).set_index("week"))
    known = list(STEPS[:6])
    pd.testing.assert_frame_equal(
        whole[known].astype(float), parts[0][known].add(parts[1][known], fill_value=0).astype(float), check_names=False
    )
    found = conversions(reached(table, tolerance=0.01), as_of=NOON)
    assert (found["converted"] <= found["n"]).all()
    assert (found["n"] + found["pending"] == found["reached"]).all()


def times(*rows: dict) -> pd.DataFrame:
    return reached(made(*rows), tolerance=0.01)


def step_of(table: pd.DataFrame, step: str) -> pd.Series:
    (place,) = table.index[table["step"] == step]
    return table.loc[place]
