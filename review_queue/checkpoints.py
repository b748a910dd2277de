"""Checkpoints: signed words, kept outside the database, for how long the audit record was and what it ended on.

A chain alone shows who is careless; whoever owns the database can compute it anew. They cannot sign a checkpoint.
Checkpoints are a chain of their own: each names the hash of the one before, so that none can be taken out between.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from review_queue.chain import GENESIS, Flaw, Walk, canonical
from review_queue.errors import ReviewError

VERSION = 1
_END = "-----END PUBLIC KEY-----"


class KeyRefused(ReviewError):
    """A file that holds no key of the kind that signs checkpoints."""

    code = "KEY_REFUSED"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is signed."""

    seq: int  #: how many events there were
    tip: str  #: the hash of the last link
    origin: str  #: the hash of the first link, which tells one record from another
    at: datetime  #: UTC, by the clock of whoever signed
    previous: str  #: the hash of the checkpoint before
    key: str  #: which key signed
    kept: int | None = None  #: after an accepted loss, up to where earlier checkpoints still hold

    def _body(self) -> dict[str, Any]:
        body = {
            "version": VERSION,
            "seq": self.seq,
            "tip": self.tip,
            "origin": self.origin,
            "at": f"{self.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z",
            "previous": self.previous,
            "key": self.key,
        }
        return body if self.kept is None else body | {"kept": self.kept}


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint as it stands in a file."""

    checkpoint: Checkpoint
    signature: bytes

    @property
    def hash(self) -> str:
        """What the next checkpoint calls this one."""
        return hashlib.sha256(self.line().encode()).hexdigest()

    def line(self) -> str:
        """One line of JSON, without its end."""
        signature = base64.b64encode(self.signature).decode()
        return canonical({"checkpoint": self.checkpoint._body(), "signature": signature}).decode()

    def is_signed_by(self, keys: Mapping[str, Ed25519PublicKey]) -> bool:
        """Whether the key that it names is among ``keys`` (by their names) and did sign it."""
        key = keys.get(self.checkpoint.key)
        if key is None:
            return False
        try:
            key.verify(self.signature, canonical(self.checkpoint._body()))
        except InvalidSignature:
            return False
        return True


def sign(
    key: Ed25519PrivateKey,
    *,
    seq: int,
    tip: str,
    origin: str,
    at: datetime,
    after: Signed | None,
    kept: int | None = None,
) -> Signed:
    """A checkpoint behind ``after``."""
    checkpoint = Checkpoint(
        seq=seq,
        tip=tip,
        origin=origin,
        at=at,
        previous=GENESIS if after is None else after.hash,
        key=name_of(key.public_key()),
        kept=kept,
    )
    return Signed(checkpoint, key.sign(canonical(checkpoint._body())))


def read_line(line: str) -> Signed:
    """The checkpoint in a line of a file.

    Raises:
        ValueError: it is none, or was cut off.
    """
    try:
        whole = json.loads(line)
        body = whole["checkpoint"]
        found = Checkpoint(
            seq=body["seq"],
            tip=body["tip"],
            origin=body["origin"],
            at=datetime.fromisoformat(body["at"]),
            previous=body["previous"],
            key=body["key"],
            kept=body.get("kept"),
        )
        signed = Signed(found, base64.b64decode(whole["signature"], validate=True))
        is_ours = signed.line() == canonical(whole).decode()
    except (KeyError, TypeError, AttributeError, ValueError, binascii.Error) as error:
        raise ValueError("This is no checkpoint.") from error
    if not is_ours:
        raise ValueError("This is a checkpoint of another version.")
    return signed


# --- keys -----------------------------------------------------------------------------------------------------------


def new_key() -> tuple[bytes, bytes]:
    """A new pair as PEM: the private key, not encrypted, and the public one."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def private_key(pem: bytes) -> Ed25519PrivateKey:
    """The key in a PEM file.

    Raises:
        KeyRefused: there is none, or of another kind.
    """
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise KeyRefused("The key file holds no private key. `workbench audit key FILE` makes one.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyRefused("The key file holds a key of another kind than Ed25519. `workbench audit key FILE` makes one.")
    return key


def public_keys(pem: bytes) -> dict[str, Ed25519PublicKey]:
    """The keys in a PEM file by their names: one, or several one after the other after a change of keys.

    Raises:
        KeyRefused: there is none, or one of another kind.
    """
    found = {}
    for part in pem.decode(errors="replace").split(_END)[:-1]:
        try:
            key = load_pem_public_key((part.strip() + f"\n{_END}\n").encode())
        except ValueError as error:
            raise KeyRefused("The file of public keys cannot be read.") from error
        if not isinstance(key, Ed25519PublicKey):
            raise KeyRefused("The file holds a public key of another kind than Ed25519.")
        found[name_of(key)] = key
    if not found:
        raise KeyRefused("The file holds no public key. `workbench audit key FILE` writes one beside the private key.")
    return found


def name_of(key: Ed25519PublicKey) -> str:
    """What a checkpoint calls the key: 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


# --- what they say of a record --------------------------------------------------------------------------------------


def places(checkpoints: Iterable[Signed]) -> set[int]:
    """The places whose hashes ``flaws`` needs to know."""
    return {1} | {each.checkpoint.seq for each in checkpoints}


def standing(checkpoints: Sequence[Signed]) -> list[Signed]:
    """Those that no accepted loss has made void, in their order."""
    found: list[Signed] = []
    for each in checkpoints:
        kept = each.checkpoint.kept
        if kept is not None:
            found = [earlier for earlier in found if earlier.checkpoint.seq <= kept]
        found.append(each)
    return found


def flaws(checkpoints: Sequence[Signed], walk: Walk, keys: Mapping[str, Ed25519PublicKey]) -> Iterator[Flaw]:
    """What is wrong with the checkpoints, and with a record that was walked along with their ``places`` kept."""
    if not checkpoints:
        yield Flaw(0, "There are no checkpoints. Without one, nobody can tell a record that was computed anew.")
        return
    yield from _own_flaws(checkpoints, walk, keys)
    vouched = 0
    for each in sorted((signed.checkpoint for signed in standing(checkpoints)), key=lambda one: one.seq):
        when = f"the checkpoint of {each.at:%Y-%m-%d %H:%M:%S} UTC"
        if each.seq > walk.tip.seq:
            yield Flaw(
                walk.tip.seq + 1,
                f"The record ends at event {walk.tip.seq}; {when} vouches for {each.seq}. "
                f"Events {walk.tip.seq + 1} to {each.seq} are missing at its end.",
            )
            return
        if walk.hashes.get(each.seq) != each.tip:
            yield Flaw(
                vouched + 1,
                f"The record is another than the one of which {when} vouches for {each.seq} events: "
                f"something between event {vouched + 1} and event {each.seq} was changed and the chain computed anew.",
            )
            return
        vouched = each.seq


def _own_flaws(checkpoints: Sequence[Signed], walk: Walk, keys: Mapping[str, Ed25519PublicKey]) -> Iterator[Flaw]:
    before: Signed | None = None
    for number, each in enumerate(checkpoints, start=1):
        one = each.checkpoint
        which = f"Checkpoint {number}, of {one.at:%Y-%m-%d %H:%M:%S} UTC for event {one.seq},"
        if one.key not in keys:
            yield Flaw(one.seq, f"{which} names the key {one.key}, which is not among the public keys given.")
        elif not each.is_signed_by(keys):
            yield Flaw(one.seq, f"{which} has a signature that is not its own.")
        if one.previous != (GENESIS if before is None else before.hash):
            yield Flaw(one.seq, f"{which} does not follow from the one before it: one is missing or was changed.")
        if walk.hashes.get(1) not in (None, one.origin) and one.kept is None:
            yield Flaw(one.seq, f"{which} is of another record.")
        if one.kept is not None and one.seq not in walk.losses:
            yield Flaw(one.seq, f"{which} accepts a loss of which the record does not tell.")
        before = each
