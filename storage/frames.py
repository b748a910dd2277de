"""Answers of the database as tables."""

from __future__ import annotations

from typing import Any

import pandas as pd
from sqlalchemy import CompoundSelect, Select
from sqlalchemy.orm import Session


def frame(session: Session, query: Select[Any] | CompoundSelect[Any]) -> pd.DataFrame:
    answer = session.execute(query)
    names, rows = list(answer.keys()), answer.all()
    # Column by column: pandas takes several times as long over rows.
    columns = zip(*rows, strict=True) if rows else ((),) * len(names)
    return pd.DataFrame({name: list(values) for name, values in zip(names, columns, strict=True)})
