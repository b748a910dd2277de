"""Where adoption falls off: found where it is planted, and not where it is not."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep

from review_queue.measures.adoption import STEPS
from review_queue.measures.cliffs import cliffs, month_beside_month, newcombe, quiet_abandonment, where_it_fell

MONDAY = datetime(2025, 1, 6, 9, tzinfo=UTC)
AS_OF = MONDAY + timedelta(weeks=11)


def funnel(*weeks: tuple[int, int], until: str = "decided", begins: datetime = MONDAY) -> pd.DataFrame:
    """Times of the steps: in each week so many reviews are decided, of which so many opened beforehand.

    Every review is opened or not; with ``until`` "opened" nobody decides.
    """
    week = np.repeat(np.arange(len(weeks)), [n for n, _ in weeks])
    place = np.concatenate([np.arange(n) for n, _ in weeks])
    created = pd.Series(pd.Timestamp(begins) + pd.to_timedelta(7 * week, unit="D"))
    table = pd.DataFrame({step: created if step in STEPS[:3] else created.where(week < 0) for step in STEPS})
    table["opened"] = (created + pd.Timedelta(hours=1)).where(place < np.array([n for _, n in weeks])[week])
    if until == "decided":
        table["decided"] = created + pd.Timedelta(hours=2)
    return table


def opened(table: pd.DataFrame) -> pd.Series:
    return table.set_index("step").loc["opened"]


def test_a_drop_two_weeks_in_a_row_is_a_cliff():
    found = cliffs(funnel(*[(40, 36)] * 9, (40, 20), (40, 18)), as_of=AS_OF)

    row = opened(found)
    assert found["step"].iloc[0] == "opened"
    assert (row["week"], row["state"]) == ("2025-W12", "cliff")
    assert (row["reference"], row["now"], row["drop"]) == pytest.approx((0.9, 0.45, 0.45))
    assert (row["n_reference"], row["n_now"], row["drop_before"]) == (320, 40, pytest.approx(0.4))
    span = confint_proportions_2indep(288, 320, 18, 40, method="newcomb", compare="diff")
    assert (row["low"], row["high"]) == pytest.approx(span)


@pytest.mark.parametrize(
    ("weeks", "state"),
    [
        ([(40, 36)] * 10 + [(40, 18)], "in usual range"),  # one week only
        ([(40, 36)] * 9 + [(40, 20), (40, 36)], "in usual range"),  # back again
        ([(400, 360)] * 9 + [(400, 324)] * 2, "in usual range"),  # sure, but 9 points
        ([(30, 21)] * 9 + [(30, 17)] * 2, "in usual range"),  # 13 points, but not sure
        ([(40, 36)] * 9 + [(29, 3), (40, 3)], "not enough data"),
        ([(40, 36)] * 9 + [(40, 3), (29, 3)], "not enough data"),
        ([(2, 2)] * 9 + [(40, 3)] * 2, "not enough data"),  # no reference to speak of
    ],
)
def test_a_cliff_takes_two_weeks_ten_points_and_thirty_reviews(weeks, state):
    assert opened(cliffs(funnel(*weeks), as_of=AS_OF))["state"] == state


def test_a_week_that_is_not_over_does_not_count():
    table = funnel(*[(40, 36)] * 9, (40, 20), (40, 18), (40, 1))

    assert opened(cliffs(table, as_of=AS_OF + timedelta(days=3)))["week"] == "2025-W12"


def test_the_segment_that_fell_most_contributes_most():
    table = funnel(*[(40, 36)] * 9, (40, 20), (40, 20))
    # In every week the first half of the reviews, which are opened, are West's.
    west = pd.Series(np.where(np.arange(len(table)) % 40 < 20, "West", "East"))

    found = where_it_fell(table, step="opened", week="2025-W12", groups=west, as_of=AS_OF).set_index("group")

    assert found.index.tolist() == ["East", "West"]
    assert found.loc["East", ["reference", "now", "share"]].tolist() == pytest.approx([0.8, 0, 0.5])
    assert found["contribution"].tolist() == pytest.approx([0.4, 0])


def test_month_twelve_stands_beside_month_one():
    months = pd.concat(
        [
            funnel((50, 45), begins=datetime(2024, 1, 10, tzinfo=UTC)),
            funnel((60, 30), begins=datetime(2024, 12, 10, tzinfo=UTC)),
        ],
        ignore_index=True,
    )

    found = month_beside_month(months, go_live=datetime(2024, 1, 5, tzinfo=UTC), as_of=AS_OF).set_index("step")

    row = found.loc["opened"]
    assert (row["first"], row["then"], row["change"]) == pytest.approx((0.9, 0.5, -0.4))
    assert (row["n_first"], row["n_then"], row["state"]) == (50, 60, "changed")
    assert row["low"] < -0.4 < row["high"] < 0
    assert found.loc["produced", "state"] == "can't tell yet"


def test_a_month_that_is_not_over_is_unknown():
    found = month_beside_month(funnel((50, 45)), go_live=MONDAY, as_of=AS_OF).set_index("step").loc["opened"]

    assert (found["n_first"], found["n_then"], found["state"]) == (50, 0, "not enough data")
    assert found["first"] == 0.9
    assert np.isnan(found["then"])
    early = month_beside_month(funnel((50, 45)), go_live=MONDAY, as_of=MONDAY + timedelta(weeks=3))
    assert early["first"].isna().all()


def test_as_many_decisions_but_fewer_opened_is_quiet_abandonment():
    found = quiet_abandonment(funnel(*[(40, 36)] * 9, (40, 20), (40, 18)), as_of=AS_OF)

    assert found.state == "cliff"
    assert (found.reference, found.opened, found.decided, found.usual) == pytest.approx((0.9, 0.45, 40, 40))


def test_fewer_opened_among_far_fewer_decided_is_another_matter():
    found = quiet_abandonment(funnel(*[(100, 90)] * 9, (40, 20), (40, 18)), as_of=AS_OF)

    assert found.state == "in usual range"


def test_without_decisions_nothing_is_said_of_abandonment():
    assert quiet_abandonment(funnel((5, 5), until="opened"), as_of=AS_OF).state == "not enough data"


def test_a_difference_without_rows_has_no_interval():
    counts = pd.DataFrame({"x1": [3, 1], "n1": [5, 0], "x2": [1, 1], "n2": [6, 4]})

    assert newcombe(counts)["low"].isna().tolist() == [False, True]


@given(st.lists(st.tuples(st.integers(1, 45), st.floats(0, 1)), min_size=2, max_size=11), st.integers(0, 99))
@settings(deadline=None, max_examples=15)
def test_the_order_of_reviews_does_not_matter(made, seed):
    table = funnel(*((n, round(n * share)) for n, share in made))
    shuffled = table.sample(frac=1, random_state=seed)

    pd.testing.assert_frame_equal(cliffs(table, as_of=AS_OF), cliffs(shuffled, as_of=AS_OF))
    assert quiet_abandonment(table, as_of=AS_OF).state == quiet_abandonment(shuffled, as_of=AS_OF).state
