"""What a gzip file holds, unpacked piece by piece within the limits."""

from __future__ import annotations

import gzip
import io
import zlib

from workbench.foreign import limits
from workbench.foreign.tables import refuse

MAGIC = b"\x1f\x8b"
_PIECE = 1 << 20


def unpacked(data: bytes) -> bytes:
    """The content of a gzip file.

    Raises:
        FileRefused: it is damaged, holds a packed file again, or grows past what a file may.
    """
    found = io.BytesIO()
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
            while piece := packed.read(_PIECE):
                found.write(piece)
                size = found.tell()
                if size > limits.MOST_UNPACKED:
                    refuse("TOO_LARGE", f"unpacks to more than {limits.MOST_UNPACKED >> 20} MB. Split it.")
                if size > limits.SMALL and size > limits.MOST_PACKED * len(data):
                    sentence = f"unpacks to more than {limits.MOST_PACKED} times its size. Send it unpacked."
                    refuse("GROWS_TOO_MUCH", sentence)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        refuse("DAMAGED", f"is not a readable gzip file: {error}. Pack it again.")
    content = found.getvalue()
    if content.startswith(MAGIC):
        refuse("PACKED_TWICE", "is packed twice. Unpack it once.")
    return content
