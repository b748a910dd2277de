"""How often a token may ask, counted in this process."""

from __future__ import annotations

import math
from time import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from workbench.api.problems import too_many


class Rates:
    """Requests of each token over the last minute."""

    def __init__(self, *, requests: int, imports: int) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._requests = RateLimitItemPerMinute(requests, namespace="requests")
        self._imports = RateLimitItemPerMinute(imports, namespace="imports")

    def count(self, token_id: int, *, is_import: bool) -> None:
        """Count a request.

        Raises:
            Refused: it is one too many; it says when the next one is welcome.
        """
        for limit in (self._requests, self._imports) if is_import else (self._requests,):
            if not self._limiter.hit(limit, str(token_id)):
                until = self._limiter.get_window_stats(limit, str(token_id)).reset_time
                raise too_many(max(1, math.ceil(until - time())))
