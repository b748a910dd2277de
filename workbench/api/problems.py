"""How a refusal is answered: problem details (RFC 9457), with a code for programs and a sentence for people."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response

from review_queue.errors import ReviewError

MEDIA_TYPE = "application/problem+json"
#: How the type of a problem begins; its code follows. A name, not an address: docs/api.md lists them.
TYPE = "urn:review-workbench:problem:"
RETRY_SOON = 2  #: seconds after which a request that was in somebody's way may work

TITLES = {
    400: "The request cannot be read",
    401: "A token is needed",
    403: "The token may not do this",
    404: "Nothing is there",
    405: "This cannot be done here",
    409: "Something else is under way",
    413: "The request is too large",
    415: "This kind of content is not read here",
    422: "The request cannot be carried out",
    429: "Too many requests",
    500: "Something went wrong",
    503: "Not at the moment",
}
#: Which status a refusal of the actions is answered with; any other is a 422.
STATUS = {
    "TOKEN_REFUSED": 401,
    "NOT_ALLOWED": 403,
    "NOT_FOUND": 404,
    "WORKFLOW_BUSY": 409,
    "POLICY_CHANGED": 409,
    "DATABASE_BUSY": 503,
    "DATABASE_AWAY": 503,
    "OUTCOME_UNKNOWN": 503,
    "SERVER_STOPPING": 503,
    "RECORD_BEHIND": 503,
}


class Slip(BaseModel):
    """One thing that is wrong with a request."""

    where: str = Field(description="The parameter, or the place in the body, like `rows.3.series`.")
    sentence: str


class Problem(BaseModel):
    """Why a request was refused. Nothing was changed, unless the code is `OUTCOME_UNKNOWN`."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    type: str = Field(description=f"`{TYPE}` and the code.")
    title: str = Field(description="What the status means.")
    status: int
    code: str = Field(description="For programs, such as `KEY_REUSED`.")
    detail: str = Field(description="One sentence: what is wrong, and what to do next.")
    errors: list[Slip] = Field(default=[], description="Each thing that is wrong, where there are several.")


class Refused(Exception):
    """A request that the interface itself refuses."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: tuple[Slip, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.errors = status, code, detail, errors
        self.headers = dict(headers or {})


def slips(error: ValidationError, most: int = 20) -> tuple[Slip, ...]:
    """What pydantic found, place by place, without the values."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return tuple(
        Slip(where=".".join(map(str, each["loc"]))[:200], sentence=_sentence(each["msg"])) for each in found[:most]
    )


def _sentence(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return f"{text[:1].upper()}{text[1:]}."


def answer(refused: Refused) -> Response:
    """The problem as a response."""
    problem = Problem(
        type=TYPE + refused.code.lower().replace("_", "-"),
        title=TITLES[refused.status],
        status=refused.status,
        code=refused.code,
        detail=refused.detail,
        errors=list(refused.errors),
    )
    return Response(
        problem.model_dump_json(), status_code=refused.status, media_type=MEDIA_TYPE, headers=refused.headers
    )


def of(error: ReviewError) -> Refused:
    """A refusal of the actions, as the interface answers it."""
    status = STATUS.get(error.code, 422)
    if status == 401:
        return unauthorised(error.code, str(error))
    headers = {"Retry-After": str(RETRY_SOON)} if status in (409, 503) else {}
    return Refused(status, error.code, str(error), headers=headers)


def unauthorised(code: str, detail: str) -> Refused:
    """There is no token, or none that works (RFC 6750)."""
    said = ', error="invalid_token"' if code == "TOKEN_REFUSED" else ""
    return Refused(401, code, detail, headers={"WWW-Authenticate": f'Bearer realm="review workbench"{said}'})


def too_many(seconds: int) -> Refused:
    """The token asked more often than it may."""
    again = "1 second" if seconds == 1 else f"{seconds} seconds"
    return Refused(
        429,
        "TOO_MANY_REQUESTS",
        f"This token has asked too often. Ask again in {again}.",
        headers={"Retry-After": str(seconds)},
    )
