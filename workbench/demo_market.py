"""What was sold in the simulated organisation, and what the AI and its people forecast: one row a series and month."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.demo_time import Timeline
from workbench.demo_world import STEMS, TRADES, Cause, World

Panel = NDArray[np.float64]  #: shape (series, months) or (series, cycles)
NO_CAUSE = -1
PLACES = 1  #: decimals of every figure, in the unit
LAST_RESIDUALS = 24


@dataclass(frozen=True, eq=False)
class Market:
    """Actuals and forecasts of every series. Panels have one row a series; months and cycles run in time."""

    series: pd.DataFrame
    actual: Panel  #: by month, the ones that nobody knows yet too
    ai: Panel  #: by cycle, as all that follows
    low: Panel
    high: Panel
    manual: Panel  #: NaN where nobody made one
    naive: Panel
    belief: Panel  #: the relative effect that people believe in, 0 where there is none
    cause: NDArray[np.int64]  #: position in ``world.causes``; NO_CAUSE where people know nothing


def make_series(world: World, rng: np.random.Generator) -> pd.DataFrame:
    """The series: accounts by product line in a territory.

    Columns: ``key, account, line, region, territory, level`` (EUR k a month), ``growth`` (a year),
    ``spread`` (times the usual noise), ``peak`` (month of the season's peak, 0 to 11), ``swing``, ``is_key``.
    """
    places = [(region.name, name) for region in world.regions for name in region.territories]
    sizes = [world.bottleneck_series if name == world.bottleneck else world.series_per_territory for _, name in places]
    series = pd.DataFrame(np.repeat(places, sizes, axis=0), columns=["region", "territory"])
    n = len(series)
    within = series.groupby("territory").cumcount().to_numpy()
    # An account buys two lines: neighbours within a territory share a name.
    account_of = series["territory"].factorize()[0] * n + within // 2
    accounts = _accounts(pd.unique(account_of).size, rng)
    series["account"] = np.array(accounts)[pd.factorize(account_of)[0]]
    first_line = pd.factorize(account_of)[0]
    series["line"] = np.array(world.lines)[(first_line + 2 * (within % 2)) % len(world.lines)]
    series["key"] = series["account"] + " · " + series["line"]
    series["level"] = np.clip(rng.lognormal(np.log(170), 0.7, n), 40, 1_500)
    series["growth"] = rng.normal(0.03, 0.04, n)
    series["spread"] = np.exp(rng.normal(0, world.volatility, n))
    series["peak"] = series["line"].factorize()[0] * 3 + rng.integers(-1, 2, n)
    series["swing"] = rng.uniform(0.04, 0.18, n)
    series["is_key"] = rng.permutation(n) < round(world.key_account_share * n)
    return series


def make_market(world: World, series: pd.DataFrame, time: Timeline, rng: np.random.Generator) -> Market:
    """Actuals of every month, and what the AI and the people forecast in every cycle."""
    shape = (len(series), world.cycles)
    cause, belief, truth = _beliefs(world, shape, rng)
    spread = series["spread"].to_numpy()[:, None]
    base = _base(series, time)
    future = base[:, world.earlier_months :]
    happened = np.hstack([rng.normal(0, world.earlier_noise, (shape[0], world.earlier_months)), truth])
    actual = base * (1 + happened + spread * rng.normal(0, world.noise, base.shape))
    error = spread * rng.normal(0, world.model_error, shape)
    drift = _drift(world, shape, rng)
    ai = future * (1 + error + drift)
    noticed = rng.uniform(0.2, 0.9, shape)
    people = error + (1 - noticed) * drift + belief + spread * rng.normal(0.004, world.other_people, shape)
    manual = np.where(rng.random(shape) < world.missing_manual, np.nan, future * (1 + people))
    width = 1.2816 * world.interval_width * spread * future * rng.uniform(0.85, 1.15, shape)
    actual = actual.round(PLACES)
    return Market(
        series=series,
        actual=actual,
        ai=ai.round(PLACES),
        low=(ai - width).round(PLACES),
        high=(ai + 1.05 * width).round(PLACES),
        manual=manual.round(PLACES),
        naive=actual[:, : world.cycles],
        belief=belief,
        cause=cause,
    )


def items_of(world: World, market: Market, time: Timeline) -> pd.DataFrame:
    """One row a series and cycle, oldest cycle first, with the facts that ``review_queue`` judges by.

    Beside the columns of ``divergence.diverge``: ``series`` and ``cycle`` (positions), ``territory``, ``is_key``,
    ``naive``, ``belief``, ``cause``.
    """
    n, cycles = market.ai.shape
    series = market.series
    track = _track_record(world, market, time)
    columns = {
        name: panel.T.ravel()
        for name, panel in {
            "ai": market.ai,
            "ai_low": market.low,
            "ai_high": market.high,
            "manual": market.manual,
            "naive": market.naive,
            "belief": market.belief,
            "cause": market.cause,
            **track,
        }.items()
    }
    return pd.DataFrame(
        {
            "series": np.tile(np.arange(n), cycles),
            "cycle": np.repeat(np.arange(cycles), n),
            "territory": np.tile(series["territory"].to_numpy(), cycles),
            "is_key": np.tile(series["is_key"].to_numpy(), cycles),
            "ai_level": world.interval_level,
            "value_per_unit": 1.0,
            "materiality": world.policy().materiality,
            **columns,
        }
    )


def version_of(world: World, cycle: pd.Series) -> pd.Series:
    """The name of the model version that served each cycle (0 is the oldest)."""
    starts = [version.from_month - 1 for version in world.versions]
    names = np.array([version.name for version in world.versions], dtype=object)
    return pd.Series(names[np.searchsorted(starts, cycle, side="right") - 1], index=cycle.index)


def _accounts(n: int, rng: np.random.Generator) -> list[str]:
    """Distinct invented names."""
    pairs = rng.permutation(len(STEMS) * len(TRADES))[:n]
    return [f"{STEMS[pair // len(TRADES)]} {TRADES[pair % len(TRADES)]}" for pair in pairs]


def _base(series: pd.DataFrame, time: Timeline) -> Panel:
    """Level, growth and season, without anything unexpected; by series and month."""
    age = np.arange(len(time.months))
    month = time.months.month.to_numpy()
    season = np.cos(2 * np.pi * (month[None, :] - series["peak"].to_numpy()[:, None]) / 12)
    growth = (1 + series["growth"].to_numpy()[:, None]) ** (age[None, :] / 12)
    base: Panel = series["level"].to_numpy()[:, None] * growth * (1 + series["swing"].to_numpy()[:, None] * season)
    return base


def _beliefs(world: World, shape: tuple[int, int], rng: np.random.Generator) -> tuple[NDArray[np.int64], Panel, Panel]:
    """What people believe in each cycle, by which cause, and how much of it comes true."""
    shares = np.cumsum([cause.share for cause in world.causes])
    drawn = np.searchsorted(shares, rng.random(shape))
    cause = np.where(drawn < len(world.causes), drawn, NO_CAUSE)
    up, size, true_up, true_down = (
        _field(world.causes, name, cause) for name in ("up", "size", "true_up", "true_down")
    )
    sign = np.where(rng.random(shape) < up, 1.0, -1.0)
    belief = sign * np.clip(rng.normal(size, 0.35 * size), 0.03 * (size > 0), None)
    share_true = np.where(sign > 0, true_up, true_down) * rng.normal(1, 0.25, shape)
    return cause, belief, belief * share_true


def _field(causes: tuple[Cause, ...], name: str, cause: NDArray[np.int64]) -> Panel:
    """A figure of each item's cause, 0 where there is none."""
    values = np.array([*(getattr(one, name) for one in causes), 0.0])
    found: Panel = values[cause]
    return found


def _drift(world: World, shape: tuple[int, int], rng: np.random.Generator) -> Panel:
    """What the degraded version adds to its forecasts, relative; 0 before."""
    is_degraded = np.arange(shape[1]) >= world.degraded_from - 1
    return np.where(is_degraded, rng.normal(world.degraded_bias, world.degraded_error, shape), 0.0)


def _track_record(world: World, market: Market, time: Timeline) -> dict[str, Panel]:
    """How far off the AI was before each cycle opened, from the actuals that were final by then."""
    forecast_months = market.actual[:, world.earlier_months :]
    opened = time.hour(time.opens)
    is_known = time.finals[world.earlier_months :, None] <= opened[None, :]
    known = is_known.sum(axis=0)
    with np.errstate(invalid="ignore"):
        miss = np.abs(forecast_months - market.ai)
        mae = (miss @ is_known) / known
        relative = pd.DataFrame((miss / np.abs(market.ai)) @ is_known / known)
    pooled = relative.groupby(market.series["region"].to_numpy()).transform("mean").to_numpy()
    typical = [np.median(np.abs(market.actual[:, : int((time.finals <= hour).sum())]), axis=1) for hour in opened]
    return {
        "n_hist": np.tile(np.minimum(known, LAST_RESIDUALS).astype(float), (len(market.series), 1)),
        "mae_hist": mae,
        "parent_relative_mae": pooled,
        "typical_actual": np.column_stack(typical),
    }
