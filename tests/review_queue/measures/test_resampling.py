"""The cluster bootstrap, against SciPy's."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import bootstrap

from review_queue.measures.resampling import cluster_sums, drawn_totals, percentile_interval, ratio

NAMES = pd.Series(["b", "a", "b", None, None])


def test_rows_are_added_up_by_cluster_in_the_order_of_names_and_unknown_ones_hang_together():
    values = pd.DataFrame({"x": [1.0, 2, 3, 4, 5], "one": 1.0})

    assert cluster_sums(values, NAMES).tolist() == [[9, 2], [2, 1], [4, 2]]


def test_a_draw_holds_as_many_clusters_as_there_are_and_keeps_their_columns_together():
    sums = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])

    totals = drawn_totals(np.column_stack([sums, np.ones(3)]), draws=500)

    assert totals.shape == (500, 3)
    assert (totals[:, 2] == 3).all()
    assert (totals[:, 1] == 10 * totals[:, 0]).all()
    assert totals[:, 0].mean() == pytest.approx(6, abs=0.2)


@pytest.mark.parametrize("clusters", [12, 3000])  # some pieces hold many draws, others few
def test_the_interval_of_a_ratio_is_that_of_scipy(clusters):
    rng = np.random.default_rng(5)
    sums = np.column_stack([rng.normal(1, 3, clusters), rng.gamma(3, 1, clusters)])

    totals = drawn_totals(sums)
    low, high = percentile_interval(ratio(totals[:, 0], totals[:, 1]))

    expected = bootstrap(
        (sums[:, 0], sums[:, 1]),
        lambda top, bottom, axis: top.sum(axis=axis) / bottom.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=2000,
        method="percentile",
        rng=1,
    ).confidence_interval
    width = expected.high - expected.low
    assert len(totals) == 2000
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.08 * width)


def test_draws_in_which_the_figure_is_undefined_do_not_count():
    assert percentile_interval(ratio(np.array([1.0, 2.0]), np.array([0.0, 2.0]))) == (1.0, 1.0)
    assert np.isnan(percentile_interval(np.array([np.nan]))).all()


def test_the_seed_decides_the_draws():
    sums = np.arange(10.0)[:, None]

    assert (drawn_totals(sums) == drawn_totals(sums)).all()
    assert (drawn_totals(sums) != drawn_totals(sums, seed=1)).any()
