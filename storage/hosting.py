"""What the database's account may do beyond its work, and whether its file lies where it may."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from storage.engine import Database

MOUNTS = Path("/proc/mounts")
#: Kinds of file systems that are reached over a network: locks on them are not what SQLite takes them for.
OVER_NETWORK = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "gfs2", "glusterfs"}
    | {"lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "smb3", "smbfs"}
)


def is_superuser(database: Database) -> bool:
    """Whether we are connected to PostgreSQL as a superuser, whom no right and no trigger holds back."""
    if database.dialect != "postgresql":
        return False
    with database.reading() as session:
        found = session.execute(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"))
        return bool(found.scalar_one_or_none())


def network_file_system(database: Database, mounts: Path = MOUNTS) -> str | None:
    """The kind of network file system that a SQLite file lies on; None if on none, or if that cannot be known."""
    name = database.engine.url.database
    if database.dialect != "sqlite" or not name or not mounts.is_file():
        return None
    place = Path(name).resolve()
    known = [line.split(" ") for line in mounts.read_text(encoding="utf-8").splitlines()]
    around = [(Path(each[1].replace("\\040", " ")), each[2]) for each in known if len(each) > 2]
    holding = [(len(folder.parts), kind) for folder, kind in around if place.is_relative_to(folder)]
    # Of two mounts at one place the later one is seen.
    kind = max(reversed(holding), key=lambda each: each[0], default=(0, ""))[1]
    return kind if kind in OVER_NETWORK else None
