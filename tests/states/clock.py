"""The database's clock as a test sets it: the SQL that asks for the time is answered with ours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, event

from storage.engine import database_time

#: Far from the clock of any machine that runs this, so that whoever goes by the application's clock is found out.
START = datetime(2031, 3, 3, 9, tzinfo=UTC)
#: How far the clock moves on each time somebody asks.
MOMENT = timedelta(milliseconds=1)


class DatabaseClock:
    """Stands still until it is moved, but for a moment each time that it is asked."""

    def __init__(self, engine: Engine) -> None:
        self.now = START
        self._question = str(database_time().compile(dialect=engine.dialect))
        self._answer = "TIMESTAMPTZ '{}+00:00'" if engine.dialect.name == "postgresql" else "'{}'"
        event.listen(engine, "before_cursor_execute", self._asked, retval=True)

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def _asked(self, connection: Any, cursor: Any, statement: str, parameters: Any, *context: Any) -> tuple[str, Any]:
        if self._question in statement:
            self.now += MOMENT
            now = self.now.strftime("%Y-%m-%d %H:%M:%S.%f")
            statement = statement.replace(self._question, self._answer.format(now))
        return statement, parameters
