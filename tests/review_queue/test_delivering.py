"""What is sent, what an answer means, and when to try again."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta, timezone
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from review_queue.delivering import (
    LONGEST_HOLD,
    SCHEDULE,
    Answer,
    DeliveryState,
    after,
    body_of,
    headers_of,
    retry_after,
    secret_of,
)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
BROKEN = Answer(500)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 -- of the specification


def test_ten_attempts_take_75_hours():
    attempts, now, times = 0, NOON, [NOON]
    while (step := after(BROKEN, attempts=attempts, now=now, chance=0.0)).due_at:
        attempts, now = step.attempts, step.due_at
        times.append(now)

    assert step.state is DeliveryState.DEAD
    assert len(times) == step.attempts == 10
    assert [time - NOON for time in times[1:4]] == [
        timedelta(seconds=5),
        timedelta(minutes=5, seconds=5),
        timedelta(minutes=35, seconds=5),
    ]
    assert timedelta(hours=75) <= times[-1] - NOON < timedelta(hours=76)
    assert times[-1] - NOON == list(accumulate(SCHEDULE))[-1]


@given(st.integers(0, 8), st.floats(0, 1))
def test_a_wait_is_never_shorter_than_the_schedule_nor_longer_by_more_than_a_twentieth(attempts, chance):
    step = after(BROKEN, attempts=attempts, now=NOON, chance=chance)

    assert step.due_at is not None
    assert SCHEDULE[attempts] <= step.due_at - NOON <= SCHEDULE[attempts] * 1.05


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_delivered(status):
    assert after(Answer(status), attempts=3, now=NOON, chance=0.5).state is DeliveryState.DELIVERED


@pytest.mark.parametrize("status", [None, 100, 300, 302, 308, 400, 401, 404, 429, 500, 502, 503, 599])
def test_anything_else_is_tried_again(status):
    step = after(Answer(status, "no answer came"), attempts=3, now=NOON, chance=0.0)

    assert (step.state, step.attempts, step.due_at) == (DeliveryState.PENDING, 4, NOON + SCHEDULE[3])


def test_gone_pauses_the_receiver_and_costs_no_attempt():
    step = after(Answer(410), attempts=9, now=NOON, chance=0.5)

    assert (step.state, step.attempts, step.pauses) == (DeliveryState.PENDING, 9, True)


def test_a_receiver_that_asks_for_time_gets_it_up_to_a_day():
    short = after(Answer(429, retry_after="2"), attempts=0, now=NOON, chance=0.0)
    long = after(Answer(429, retry_after="7200"), attempts=0, now=NOON, chance=0.0)
    endless = after(Answer(503, retry_after="Fri, 20 Nov 2099 13:00:00 GMT"), attempts=0, now=NOON, chance=0.0)
    past = after(Answer(503, retry_after="Fri, 20 Nov 1999 13:00:00 GMT"), attempts=0, now=NOON, chance=0.0)

    assert (short.due_at, short.hold_until) == (NOON + SCHEDULE[0], NOON + timedelta(seconds=2))
    assert long.due_at == long.hold_until == NOON + timedelta(hours=2)
    assert endless.due_at == endless.hold_until == NOON + LONGEST_HOLD
    assert (past.due_at, past.hold_until) == (NOON + SCHEDULE[0], None)


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (None, None),
        ("120", NOON + timedelta(minutes=2)),
        (" 0 ", NOON),
        ("9" * 400, NOON + LONGEST_HOLD),
        ("Fri, 20 Nov 2026 13:00:00 GMT", NOON + timedelta(hours=1)),
        ("Fri, 20 Nov 2026 15:00:00 +0200", NOON + timedelta(hours=1)),
        ("-5", None),
        ("soon", None),
        ("１２", None),
        ("", None),
        ("Fri, 99 Nov 2026 13:00:00 GMT", None),
        ("Fri, 20 Nov 2099 13:00:00 GMT", NOON + LONGEST_HOLD),
        ("Fri, 31 Dec 9999 23:59:59 -1200", None),
        ("Fri, 31 Dec 99999999999999999999 23:59:59 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header, wanted):
    assert retry_after(header, NOON) == wanted


def test_a_message_has_type_timestamp_and_data():
    body = body_of("decision.made", NOON.astimezone(timezone(timedelta(hours=2))), {"item": 7, "final": 1.5})

    assert json.loads(body) == {
        "type": "decision.made",
        "timestamp": "2026-11-20T12:00:00+00:00",
        "data": {"item": 7, "final": 1.5},
    }


def test_the_signature_is_that_of_the_specification():
    """The library's own example, and HMAC-SHA256 of "id.timestamp.body" worked out by hand."""
    body, at = b'{"test": 2432232314}', datetime.fromtimestamp(1614265330, UTC)

    headers = headers_of("msg_p5jXN8AQM9LWM0D4loKWxJek", at, body, [SECRET])

    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = b'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}'
    by_hand = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{by_hand}"
    assert by_hand == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"


def test_while_keys_change_either_of_them_verifies_and_no_other():
    old, new, foreign = (secret_of(bytes([number]) * 32) for number in (1, 2, 3))
    body, now = body_of("decision.made", NOON, {"series": "Zürich–Ost"}), datetime.now(timezone(timedelta(hours=5)))
    headers = headers_of("msg_1", now, body, [new, old])

    for secret in (old, new):
        assert Webhook(secret).verify(body, headers)["data"] == {"series": "Zürich–Ost"}
    with pytest.raises(WebhookVerificationError):
        Webhook(foreign).verify(body, headers)


@pytest.mark.parametrize("altered", ["body", "webhook-id", "webhook-timestamp"])
def test_an_altered_message_does_not_verify(altered):
    body, now = body_of("decision.made", NOON, {"final": 1}), datetime.now(UTC)
    headers = headers_of("msg_1", now, body, [SECRET])
    if altered == "body":
        body = body.replace(b"1", b"2")
    else:
        headers[altered] = {"webhook-id": "msg_2", "webhook-timestamp": str(int(now.timestamp()) - 1)}[altered]

    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        Webhook(SECRET).verify(body, headers)


def test_a_message_is_too_old_after_five_minutes():
    headers = headers_of("msg_1", datetime.now(UTC) - timedelta(minutes=6), b"{}", [SECRET])

    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(SECRET).verify(b"{}", headers)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (Answer(204), "Delivered: the receiver answered 204 No Content."),
        (Answer(500), "Not delivered: the receiver answered 500 Internal Server Error."),
        (Answer(599), "Not delivered: the receiver answered 599."),
        (Answer(302), "Not delivered: the receiver sent us elsewhere (302 Found), and we follow nobody."),
        (Answer(None, "no answer came within 15 s"), "Not delivered: no answer came within 15 s."),
    ],
)
def test_an_answer_is_a_sentence(answer, sentence):
    assert answer.sentence == sentence
