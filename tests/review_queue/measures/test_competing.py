"""How reviews end, against a computation by hand and lifelines."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.measures.competing import endings, incidence
from review_queue.measures.latency import survival
from tests.review_queue.measures.made_reviews import NOON, reviews, took

LIVES = st.lists(
    st.tuples(st.integers(1, 40), st.sampled_from(["decided", "withdrawn", None])), min_size=20, max_size=40
)


def watched(made) -> pd.DataFrame:
    return pd.DataFrame(made, columns=["hours", "ending"]).astype({"hours": float, "ending": "object"})


def withdrawn(hours: float, after: float, state: str = "withdrawn") -> dict:
    return {**took(hours, ended=False), "state": state, "withdrawn_at": NOON - timedelta(hours=hours - after)}


def test_a_review_ends_as_decided_withdrawn_or_locked_or_is_open():
    table = reviews(took(5), withdrawn(20, 4), withdrawn(9, 3, "locked"), took(7, ended=False))

    found = endings(table, as_of=NOON)

    assert found["hours"].tolist() == [5, 4, 3, 7]
    assert found["ending"].tolist() == ["decided", "withdrawn", "locked", None]


def test_what_was_decided_before_the_lock_was_decided():
    assert endings(reviews({**took(5), "state": "locked"}), as_of=NOON)["ending"].tolist() == ["decided"]


def test_an_ending_may_have_a_name_of_its_own():
    table = reviews(took(5), withdrawn(20, 4), took(7, ended=False))

    found = endings(table, as_of=NOON, ended=pd.Series([None, "superseded", None], dtype="object"))

    assert found["ending"].tolist() == ["decided", "superseded", None]


def test_the_shares_come_out_by_hand():
    # 20 reviews: 4 decided at 1 h, 8 withdrawn at 2 h, 4 decided at 3 h of the 8 left, 4 open at 5 h.
    made = [(1, "decided")] * 4 + [(2, "withdrawn")] * 8 + [(3, "decided")] * 4 + [(5, None)] * 4

    shares = incidence(watched(made)).pivot(index="hours", columns="ending", values="share")

    assert shares["decided"].tolist() == pytest.approx([0.2, 0.2, 0.4])
    assert shares["withdrawn"].tolist() == pytest.approx([0, 0.4, 0.4])


def test_it_is_the_estimate_of_lifelines():
    fitter = pytest.importorskip("lifelines").AalenJohansenFitter
    random = np.random.default_rng(2)
    codes = random.integers(0, 3, 60)
    times = watched([])
    times["hours"], times["ending"] = random.permutation(60) + 1.0, [[None, "a", "b"][code] for code in codes]

    found = incidence(times)

    for code, name in ((1, "a"), (2, "b")):
        fitted = fitter(calculate_variance=False).fit(times["hours"], codes, event_of_interest=code)
        mine = found[found["ending"] == name]
        assert mine["share"].to_numpy() == pytest.approx(fitted.cumulative_density_.loc[mine["hours"]].iloc[:, 0])


def test_withdrawals_are_not_counted_as_if_they_might_still_be_decided():
    made = [(1, "withdrawn")] * 15 + [(2, "decided")] * 15
    times = watched(made)

    share = incidence(times).query("ending == 'decided'")["share"].iloc[-1]
    kept_in = 1 - survival(times.assign(finished=times["ending"] == "decided"))["waiting"].iloc[-1]

    assert (share, kept_in) == (0.5, 1.0)


def test_below_twenty_reviews_no_share_is_shown():
    assert incidence(watched([(1, "decided")] * 19))["share"].isna().all()
    assert incidence(watched([(1, None)] * 30)).empty


@given(LIVES, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=12)
def test_endings_and_waiting_add_up_to_all_whatever_the_order(made, random):
    times = watched(made)
    found = incidence(times)
    shuffled = incidence(times.loc[random.sample(range(len(times)), len(times))])

    pd.testing.assert_frame_equal(found, shuffled)
    waiting = survival(times.assign(finished=times["ending"].notna())).set_index("hours")["waiting"]
    total = found.groupby("hours")["share"].sum()
    assert (total + waiting).to_numpy() == pytest.approx(np.ones(len(waiting)))
