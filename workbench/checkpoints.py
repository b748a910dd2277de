"""Where checkpoints are kept: a folder outside the database, a file of JSON Lines a month, only ever added to."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from review_queue.checkpoints import Signed, name_of, private_key, public_keys, read_line, sign
from review_queue.errors import RecordBehind, ReviewError
from storage import audit
from storage.engine import Database
from workbench.settings import Settings

if sys.platform != "win32":
    import fcntl

AT_LEAST_EVERY = timedelta(seconds=60)  #: while there is anything new
OR_EVENTS = 1_000
PATTERN = "checkpoints-*.jsonl"


class FolderRefused(ReviewError):
    """The folder for checkpoints is not there, or what is in it cannot be read."""

    code = "CHECKPOINTS_REFUSED"


@dataclass(frozen=True)
class Folder:
    """The checkpoints of one record."""

    path: Path

    def read(self) -> tuple[list[Signed], list[str]]:
        """All of them in their order, and a sentence for each line that is none.

        A line that was cut off when its writer died is none; the next checkpoint stands behind it and follows from the
        one before, so that nothing is missing.
        """
        found, spoilt = [], []
        for file in self._files():
            for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
                try:
                    found.append(read_line(line))
                except ValueError:
                    spoilt.append(f"{file.name}, line {number} is no checkpoint.")
        return found, spoilt

    def last(self) -> Signed | None:
        """The newest, without reading the months before."""
        for file in reversed(self._files()):
            for line in reversed(file.read_text(encoding="utf-8", errors="replace").splitlines()):
                try:
                    return read_line(line)
                except ValueError:
                    continue
        return None

    def add(self, signed: Signed) -> None:
        """Put one on the disk, at the end. Call it ``alone``."""
        handle = self._opened(signed.checkpoint.at)
        try:
            size = os.fstat(handle).st_size
            was_cut = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            os.write(handle, (b"\n" if was_cut else b"") + signed.line().encode() + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)

    def require_writable(self) -> None:
        """Go the way of ``add`` without adding anything.

        Raises:
            FolderRefused: the folder takes nothing.
        """
        try:
            with self.alone():
                os.close(self._opened(datetime.now(UTC)))
        except OSError as problem:
            raise FolderRefused(
                f"Checkpoints of the audit record cannot be written to {self.path}: {problem.strerror}. Let the user "
                "that this runs as write there; in a systemd unit, name the folder in ReadWritePaths."
            ) from problem

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else adds to this folder meanwhile, from this process or another."""
        with _alone, (self.path / ".lock").open("a") as lock:
            if sys.platform != "win32":
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _opened(self, at: datetime) -> int:
        """The file that the next one goes into; not one before the newest there, or it would not be read as the last.

        Two servers' clocks can be in two months, and each of them adds.
        """
        this_month = self.path / f"checkpoints-{at:%Y-%m}.jsonl"
        return os.open(max([this_month, *self._files()]), os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)

    def _files(self) -> list[Path]:
        if not self.path.is_dir():
            raise FolderRefused(f"There is no folder {self.path} for checkpoints. Mount it, or make it first.")
        return sorted(self.path.glob(PATTERN))


_alone = Lock()


@dataclass(frozen=True)
class Witness:
    """Signs checkpoints of one record into a folder, and notices when the record falls behind them."""

    folder: Folder
    key: Ed25519PrivateKey
    earlier: Mapping[str, Ed25519PublicKey] = field(default_factory=dict)  #: public keys of before a change, by name

    @property
    def keys(self) -> dict[str, Ed25519PublicKey]:
        """The public keys that checkpoints may be signed with, by name."""
        own = self.key.public_key()
        return {**self.earlier, name_of(own): own}

    def look(self, database: Database) -> None:
        """Compare the record with the last checkpoint: the database takes writes only while it is not behind.

        Raises:
            RecordBehind: it has lost what was vouched for: an old copy was restored, or another server took over.
        """
        behind = self.behind(database)
        database.refuse_writes(behind)
        if behind is not None:
            raise behind

    def behind(self, database: Database) -> RecordBehind | None:
        """What of the last checkpoint the record does not hold, or None."""
        last = self.folder.last()
        if last is None:
            return None
        one = last.checkpoint
        with database.reading() as session:
            size = audit.tip(session).seq
            here = audit.hashes_at(session, [one.seq]).get(one.seq)
        return None if here == one.tip else RecordBehind(size=size, vouched=one.seq, at=one.at)

    def keep(self, database: Database, *, now: datetime | None = None) -> Signed | None:
        """Add a checkpoint if one is due: 60 s after the last or 1,000 events on, where there is anything new.

        Raises:
            RecordBehind: as ``look``; nothing is signed then.
            FolderRefused: the folder is away or takes nothing.
        """
        now = now or datetime.now(UTC)
        try:
            self.look(database)
            with self.folder.alone():
                last = self.folder.last()
                with database.reading() as session:
                    tip, origin = audit.tip(session), audit.hashes_at(session, [1])
                if tip.seq == 0 or (last is not None and not _is_due(last, tip.seq, now)):
                    return None
                signed = sign(self.key, seq=tip.seq, tip=tip.hash, origin=origin[1], at=now, after=last)
                self.folder.add(signed)
        except OSError as problem:
            raise FolderRefused(f"Nothing can be written to {self.folder.path}: {problem.strerror}.") from problem
        return signed

    def accept_loss(self, database: Database, *, kept: int, seq: int) -> Signed:
        """Add the checkpoint that goes with the event of an accepted loss, at ``seq``: from it on the record counts."""
        with self.folder.alone():
            last = self.folder.last()
            with database.reading() as session:
                hashes = audit.hashes_at(session, [1, seq])
            now = datetime.now(UTC)
            signed = sign(self.key, seq=seq, tip=hashes[seq], origin=hashes[1], at=now, after=last, kept=kept)
            self.folder.add(signed)
        return signed


def _is_due(last: Signed, size: int, now: datetime) -> bool:
    new = size - last.checkpoint.seq
    return new >= OR_EVENTS or (new > 0 and now - last.checkpoint.at >= AT_LEAST_EVERY)


def witness_of(settings: Settings) -> Witness | None:
    """The witness that the settings name, if they do.

    Raises:
        FolderRefused: there is no such folder, or no such key file.
        KeyRefused: the file holds no key.
    """
    if settings.checkpoints is None or settings.checkpoint_key is None:
        return None
    folder = Folder(Path(settings.checkpoints))
    folder.last()
    path = Path(settings.checkpoint_key)
    try:
        pem, beside = path.read_bytes(), public_of(path)
        earlier = public_keys(beside.read_bytes()) if beside.is_file() else {}
    except OSError as problem:
        raise FolderRefused(f"The key for checkpoints cannot be read: {problem.strerror}.") from problem
    return Witness(folder, private_key(pem), earlier)


def public_of(private: Path) -> Path:
    """The file of public keys beside that of a private key. Earlier ones are kept in it, one after the other."""
    return private.with_name(f"{private.name}.pub")
