"""Other databases as sources: what the file that ``WORKBENCH_SOURCES`` names says of them, checked."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from review_queue.columns import Kind
from review_queue.errors import ReviewError
from storage.foreign import is_read


class SourcesInvalid(ReviewError):
    """The file of sources cannot be taken."""

    code = "SOURCES_INVALID"


class Source(BaseModel):
    """One query of another database that is pulled again and again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,99}$")]
    workflow: str
    kind: Kind
    query: str
    every_minutes: Annotated[int, Field(ge=1, le=44_640)] = 60
    url: SecretStr | None = None  #: an SQLAlchemy URL
    url_env: str | None = None  #: or the environment variable that holds it
    columns: dict[str, str] = Field(default_factory=dict)  #: ours -> the query's, where the names do not tell

    @field_validator("query")
    @classmethod
    def _only_reads(cls, value: str) -> str:
        if not is_read(value):
            raise ValueError("write one SELECT (or WITH … SELECT), without a semicolon inside")
        return value

    @model_validator(mode="after")
    def _one_url(self) -> Source:
        if (self.url is None) == (self.url_env is None):
            raise ValueError("give either url or url_env")
        if self.url_env is not None and not os.environ.get(self.url_env):
            raise ValueError(f"the environment variable {self.url_env} is not set")
        return self

    @property
    def address(self) -> str:
        """The URL, with its password."""
        return self.url.get_secret_value() if self.url is not None else os.environ[self.url_env or ""]


def read_sources(path: str | None) -> tuple[Source, ...]:
    """The sources in the file at ``path``; none where there is no file.

    Raises:
        SourcesInvalid: with every problem named, and no URL.
    """
    if path is None:
        return ()
    try:
        found = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SourcesInvalid(f"WORKBENCH_SOURCES names {path}, which cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SourcesInvalid(f"{path} is not valid TOML: {error}.") from error
    tables = found.get("sources", [])
    if set(found) - {"sources"} or not isinstance(tables, list):
        raise SourcesInvalid(f"{path} holds [[sources]] and nothing else.")
    sources = tuple(_source(path, place, fields) for place, fields in enumerate(tables, start=1))
    twice = {each.name for each in sources if [other.name for other in sources].count(each.name) > 1}
    if twice:
        raise SourcesInvalid(f"{path}: {', '.join(sorted(twice))} is named twice. Give each source its own name.")
    return sources


def _source(path: str, place: int, fields: object) -> Source:
    try:
        return Source.model_validate(fields)
    except ValidationError as error:
        told = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'source'}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors(include_input=False)
        )
        raise SourcesInvalid(f"{path}, source {place}: {told}.") from None
