"""``python -m tests.crash``: break things, and print what was seen. Exit 1 if anything did not hold."""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import time

for _threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")  # a process that forks should have one thread

from tests.crash import clocks, full_disk, partition, presses, rolling, stale, storms, tokens, webhooks  # noqa: E402, F401 -- they register their faults
from tests.crash.faults import FAULTS, Line, Setting  # noqa: E402

HEADER = (
    "fault", "database", "acknowledged", "attempted", "ambiguous", "replayed", "lost", "duplicate", "stuck",
    "decisions/s", "seconds", "kills", "pauses", "restarts", "in doubt", "stale",
)  # fmt: skip


def main() -> int:
    asked = _asked()
    logging.disable(logging.CRITICAL)  # what the product logs of the faults is not news here
    setting = Setting(
        asked.decisions, asked.seed, tuple(asked.database.split(",")), say=lambda line: print(line, flush=True)
    )
    started, lines = time.monotonic(), []
    try:
        for number in asked.faults.split(",") if asked.faults else FAULTS:
            print(f"{number} …", flush=True)
            lines += FAULTS[number](setting)
    finally:
        setting.close()
    print(f"\n{table(lines)}\n\n{sentences(lines)}\n\n{time.monotonic() - started:.0f} s, seed {asked.seed}")
    if all(line.ok for line in lines):
        shutil.rmtree(setting.folder, ignore_errors=True)
        return 0
    print(f"Logs and databases: {setting.folder}")
    return 1


def table(lines: list[Line]) -> str:
    """The figures of the runs, one row each."""
    rows = [HEADER, *(_figures(line) for line in lines if line.result is not None)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def sentences(lines: list[Line]) -> str:
    """What each fault was to show and what was seen, with every slip."""
    said = []
    for line in lines:
        said.append(f"{line.fault:<7}{line.database:<12}target: {line.target}")
        said.append(f"{'':<19}seen: {line.seen}: {'ok' if line.ok else 'NOT OK'}")
        said += [f"{'':<19}- {problem}" for problem in line.problems[:20]]
        if len(line.problems) > 20:
            said.append(f"{'':<19}- and {len(line.problems) - 20} more")
    return "\n".join(said)


def _figures(line: Line) -> tuple[str, ...]:
    result = line.result
    assert result is not None
    account = result.account
    figures = (
        account.acknowledged, account.attempted, account.ambiguous, account.replayed, account.lost,
        account.duplicate, account.stuck, f"{result.speed:.0f}", f"{result.seconds:.0f}", result.kills,
        result.pauses, result.restarts, account.in_doubt, account.stale,
    )  # fmt: skip
    return (line.fault, line.database, *map(str, figures))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--decisions", type=int, default=2_000, help="10000 and more: the whole run")
    parser.add_argument("--faults", help=f"some of {','.join(FAULTS)}; all by default")
    parser.add_argument("--database", default="sqlite,postgresql")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
