"""A reviewer who keeps a log: what is about to be asked, and what was answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.crash.log import Log
from tests.crash.requests import Reply, Request, Reviewer


@dataclass
class Client:
    """Sends requests and logs each of them twice; the checker believes these logs."""

    reviewer: Reviewer
    log: Log
    _numbers: Any = field(default_factory=count)

    def send(
        self,
        request: Request,
        *,
        sending: Callable[[], None] = lambda: None,
        answered: Callable[[], None] = lambda: None,
    ) -> Reply:
        """Ask for it. ``sending`` is called between the first line and the request, ``answered`` before the second."""
        number = next(self._numbers)
        person = self.reviewer.person
        fields = {"person": person, "at": time.clock_gettime(time.CLOCK_REALTIME), "request": request.as_fields()}
        self.log.write("try", number=number, key=request.key, **fields)
        sending()
        reply = self.reviewer.send(request)
        answered()
        self.log.write(
            "answer",
            number=number,
            key=request.key,
            answer=reply.answer,
            decision=reply.decision,
            code=reply.code,
            sentence=reply.sentence,
        )
        return reply
