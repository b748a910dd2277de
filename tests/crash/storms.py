"""F1 and F2: many processes killed, paused and cut off from the database while they decide; and point by point."""

from __future__ import annotations

from tests.crash.chaos import Plan
from tests.crash.faults import Line, Setting, fault
from tests.crash.points import kill_at_every_point
from tests.crash.run import crash_run

#: Decisions a second, and seconds from the database being back to the next decision.
SPEED, BACK = 50, 10
CLAIM_SECONDS = 60


def plan_of(setting: Setting, database: str) -> Plan:
    """Whole: 32 processes, 200 kills, 10 pauses of 2.5 claims. Smaller runs are scaled, and let time pass instead."""
    restarts = (5 if setting.is_whole else 2) if database == "postgresql" else 0
    if setting.is_whole:
        return Plan(setting.decisions, 32, 200, 10, 2.5 * CLAIM_SECONDS, restarts, moves_time=True)
    kills = max(10, setting.decisions // 40)
    return Plan(setting.decisions, 16, kills, 4, 1.5, restarts, moves_time=True)


@fault("F1")
def storm_on_sqlite(setting: Setting) -> list[Line]:
    return [_storm(setting, "F1", "sqlite")] if "sqlite" in setting.databases else []


@fault("F2")
def storm_on_postgresql(setting: Setting) -> list[Line]:
    return [_storm(setting, "F2", "postgresql")] if "postgresql" in setting.databases else []


@fault("points")
def every_point(setting: Setting) -> list[Line]:
    return [_points(setting, database) for database in setting.databases]


def _storm(setting: Setting, number: str, database: str) -> Line:
    plan = plan_of(setting, database)
    url, folder = setting.fresh(number, database)
    restart = setting.server.restart_at_once if database == "postgresql" else lambda: None
    result = crash_run(url, folder, plan, seed=setting.seed, restart_server=restart, say=setting.say)
    account = result.account
    target = f"0 lost, 0 duplicate, 0 stuck; whole: at least {SPEED}/s"
    if plan.restarts:
        target += f"; back within {BACK} s of the database"
    problems = list(account.violations)
    if setting.is_whole and result.speed < SPEED:  # a small run is over before all processes are warm
        problems.append(f"only {result.speed:.0f} decisions/s")
    if result.back_after > BACK:
        problems.append(f"the service was back only {result.back_after:.1f} s after the database")
    seen = (
        f"{account.lost} lost, {account.duplicate} duplicate, {account.stuck} stuck; {result.speed:.0f}/s; "
        f"{account.in_doubt} commits in doubt, all resolved; {account.stale} stale decisions refused"
    )
    if plan.restarts:
        seen += f"; back after {result.back_after:.1f} s"
    return Line(number, database, target, seen, not problems, result, account, tuple(problems))


def _points(setting: Setting, database: str) -> Line:
    url, folder = setting.fresh("points", database)
    points = kill_at_every_point(url, folder)
    problems = tuple(points.account.violations)
    seen = f"{points.kills} kills, one at each statement and commit: {len(problems)} left a trace"
    return Line(
        "points", database, "all or nothing, at every point", seen, not problems, None, points.account, problems
    )
