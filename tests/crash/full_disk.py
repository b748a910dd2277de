"""F4: the disk under an SQLite database is full for some seconds, while it is written to and its writers are killed."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash import log
from tests.crash.chaos import Chaos, Plan
from tests.crash.faults import Line, Setting, fault
from tests.crash.run import crash_run

DISK = 64 * 2**20  #: bytes
KILLS = 20
BEFORE = 10  #: decisions before the disk is full: few, so that the write-ahead log has still to grow
WRITERS = 8
SPARED = 4  #: of the writers, which are not killed: they have to recover by themselves
#: What a page says of a full disk.
IN_WORDS = "DATABASE_AWAY"


@fault("F4")
def the_disk_is_full(setting: Setting) -> list[Line]:
    if "sqlite" not in setting.databases:
        return []
    _, folder = setting.fresh("F4", "sqlite")
    seconds = 14.0 if setting.is_whole else 4.0
    decisions = 2_000 if setting.is_whole else 300
    with _small_disk(folder) as (disk, is_disk):
        ballast = Ballast(disk, is_disk, seconds)
        plan = Plan(decisions, WRITERS, 0, 0, 0, 0, moves_time=True)
        result = crash_run(
            f"sqlite:///{disk}/workbench.db", folder, plan, seed=setting.seed, say=setting.say, trouble=ballast.step
        )
    said = Counter(
        record["code"]
        for records in log.read_all(folder).values()
        for record in records
        if record["kind"] in ("answer", "not taken") and (record["code"] == IN_WORDS or "is full" in record["sentence"])
    )
    problems = list(result.account.violations)
    if not said:
        problems.append("INVALID: nobody noticed that the disk was full")
    if set(said) - {IN_WORDS}:
        problems.append(f"a full disk was not put into words: {', '.join(said)}")
    if not ballast.recovered:
        problems.append("no process that saw the full disk decided again")
    where = "a small disk" if is_disk else "a limit on its pages (no disk could be mounted)"
    seen = (
        f"full for {seconds:.0f} s on {where}, {result.kills} kills, {sum(said.values())} times refused "
        f"({', '.join(said)}); {ballast.recovered} of {SPARED} processes that lived through it decide again, "
        f"the first {ballast.back_after:.1f} s after there was room"
    )
    target = "no partial decision, clear refusal, recovers without a restart"
    return [Line("F4", "sqlite", target, seen, not problems, result, result.account, tuple(problems))]


@dataclass
class Ballast:
    """What takes all the room there is, for a while: a file on a small disk, else a limit on the database's pages."""

    disk: Path
    is_disk: bool
    seconds: float
    filled_at: float | None = None
    emptied_at: float | None = None
    back_after: float = 0.0  #: seconds from there being room to the next decision
    _before: list[int] = field(default_factory=list)

    @property
    def recovered(self) -> int:
        return self._recovered

    _recovered: int = 0

    def step(self, chaos: Chaos) -> bool:
        """Go on; whether it is over."""
        now = time.monotonic()
        if self.filled_at is None:
            if chaos.board.done >= BEFORE:
                self.filled_at = now
                self._fill(chaos)
            return False
        if self.emptied_at is None:
            self._fill(chaos)  # what was freed meanwhile, such as an old log, is taken as well
            if chaos.killed < min(KILLS, 1 + KILLS * (now - self.filled_at) / self.seconds):
                chaos.kill(spared=SPARED)
            if now >= self.filled_at + self.seconds and chaos.killed >= KILLS:
                self._before = [int(count) for count in chaos.board.acknowledged[:SPARED]]
                self._empty(chaos)
                self.emptied_at = time.monotonic()
            return False
        present = [int(count) for count in chaos.board.acknowledged[:SPARED]]
        self._recovered = sum(now_ > before for now_, before in zip(present, self._before, strict=True))
        if not self.back_after and self._recovered:
            self.back_after = now - self.emptied_at
        return self._recovered == SPARED

    def _fill(self, chaos: Chaos) -> None:
        if not self.is_disk:
            chaos.board.squeezed = True
            return
        with open(self.disk / "ballast", "ab", buffering=0) as ballast:
            for size in (2**20, 4096):
                with suppress(OSError):
                    while True:
                        ballast.write(b"\0" * size)

    def _empty(self, chaos: Chaos) -> None:
        chaos.board.squeezed = False
        (self.disk / "ballast").unlink(missing_ok=True)


@contextmanager
def _small_disk(folder: Path) -> Iterator[tuple[Path, bool]]:
    """A disk that can be filled, and whether it is one: only root may mount it. Else a folder like any other."""
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(disk)]
    mounted = shutil.which("mount") is not None and not subprocess.run(mount, capture_output=True).returncode
    try:
        yield disk, mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(disk)], check=True)
