"""Whether a stated confidence comes true, and what to say instead where it does not (METHODS 7.2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from review_queue.measures.overrides import wilson

#: Statements of confidence whose actual is known, from which confidence is corrected by them.
ENOUGH = 200
TENTHS = 10
#: What a correction says at least and, from 1, at most: no number of outcomes makes anything certain. Ours.
LEAST = 0.01

#: Points of the correction, rising in both: what was worked out, and what is said instead. Empty: nothing is corrected.
Curve = Sequence[tuple[float, float]]


def reliability(confidence: pd.Series, came_true: pd.Series) -> pd.DataFrame:
    """How often what was stated with some confidence came true, in tenths of confidence.

    Args:
        confidence: 0 to 1; NaN is left out.
        came_true: whether the actual lay within what confidence was about.

    Returns:
        One row for each tenth that anything falls into: ``tenth`` (its lower end, 0 to 0.9), ``n``, ``stated`` (mean
        confidence), ``share`` that came true, with its Wilson 95 % interval ``low`` and ``high``.
    """
    known = confidence.notna()
    tenth = np.minimum((confidence[known] * TENTHS).astype(int), TENTHS - 1) / TENTHS
    rows = pd.DataFrame({"tenth": tenth, "stated": confidence[known], "came_true": came_true[known].astype(bool)})
    found = rows.groupby("tenth").agg(n=("stated", "size"), stated=("stated", "mean"), true=("came_true", "sum"))
    found["share"] = found["true"] / found["n"]
    return found.join(wilson(found["true"], found["n"])).drop(columns="true").reset_index()


def fit_curve(confidence: pd.Series, came_true: pd.Series) -> Curve:
    """The correction that these outcomes teach: the rising step function that fits them best, by its steps' middles.

    Args:
        confidence: 0 to 1; NaN is left out.
        came_true: whether the actual lay within what confidence was about.

    Returns:
        Points (worked out, said instead); none below 200 outcomes.

    Source: METHODS 7.2; pool adjacent violators as SciPy computes it.
    """
    from scipy.optimize import isotonic_regression  # only where something is fitted: no start should wait for it

    known = confidence.notna()
    if known.sum() < ENOUGH:
        return ()
    rows = pd.DataFrame({"x": confidence[known], "y": came_true[known].astype(float)})
    # Equal confidences are one point, or their order among themselves would move the fit.
    points = rows.groupby("x")["y"].agg(["mean", "size"]).reset_index()
    fitted = isotonic_regression(points["mean"].to_numpy(), weights=points["size"].to_numpy()).x
    points["said"] = np.clip(fitted, LEAST, 1 - LEAST)
    points["step"] = (points["said"].diff() > 1e-12).cumsum()
    points["weighted"] = points["x"] * points["size"]
    steps = points.groupby("step").agg(weighted=("weighted", "sum"), size=("size", "sum"), said=("said", "first"))
    return tuple((float(w / n), float(y)) for w, n, y in steps.itertuples(index=False))


def corrected(confidence: pd.Series, curve: Curve) -> pd.Series:
    """``confidence`` as the curve says it, straight between its points and level beyond them; NaN stays NaN."""
    if not curve:
        return confidence
    worked_out, said = zip(*curve, strict=True)
    return pd.Series(np.interp(confidence, worked_out, said), index=confidence.index).where(confidence.notna())
