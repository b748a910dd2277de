"""The gate's watch over sockets, with a small app behind it in Streamlit's place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect
from streamlit.proto.BackMsg_pb2 import BackMsg

from workbench import sockets

RITA, BO = 7, 8
KNOWN = "known"


class Inside:
    """What came through, and whom the page was drawn for."""

    def __init__(self) -> None:
        self.signed_in: int | None = RITA
        self.drawn: int | None = RITA
        self.is_away = False
        self.noted: list[bool] = []

    def standing(self, token: str, *, acting: bool) -> int | None:
        if self.is_away:
            raise OperationalError("", {}, Exception())
        self.noted.append(acting)
        return self.signed_in if token == KNOWN else None

    async def stream(self, socket: WebSocket) -> None:
        await socket.accept()
        name = socket.headers[sockets.HEADER]
        while True:
            sockets.drawn_for(name, self.drawn)
            await socket.send_text(name)
            try:
                await socket.send_bytes(await socket.receive_bytes())
            except WebSocketDisconnect:
                return


@pytest.fixture
def inside() -> Inside:
    return Inside()


@pytest.fixture
def client(inside: Inside) -> Iterator[TestClient]:
    watched = Middleware(sockets.Sockets, standing=inside.standing, cookie="browser")
    app = Starlette(routes=[WebSocketRoute("/stream", inside.stream)], middleware=[watched])
    with TestClient(app, cookies={"browser": KNOWN}) as opened:
        yield opened


def a_press(**changes: Any) -> bytes:
    asked = BackMsg()
    asked.rerun_script.widget_states.widgets.add(id="save", trigger_value=True)
    asked.rerun_script.query_string = "item=3"
    for name, value in changes.items():
        setattr(asked.rerun_script, name, value)
    return asked.SerializeToString()


def sent(client: TestClient, inside: Inside, message: bytes, *, then: Any = None) -> BackMsg:
    """What reaches the app of one message, on a page that was drawn before ``then`` happened."""
    with client.websocket_connect("/stream") as socket:
        socket.receive_text()
        if then is not None:
            then()
        socket.send_bytes(message)
        got = BackMsg()
        got.ParseFromString(socket.receive_bytes())
        return got


def test_a_press_of_whoever_the_page_is_for_goes_through(client: TestClient, inside: Inside) -> None:
    got = sent(client, inside, a_press())

    assert [widget.id for widget in got.rerun_script.widget_states.widgets] == ["save"]
    assert inside.noted == [False, True], "to open a socket is no act, to press is one"


@pytest.mark.parametrize("now", [None, BO], ids=["signed out", "somebody else"])
@pytest.mark.parametrize("how", [{}, {"fragment_id": "f"}], ids=["page", "fragment"])
def test_a_press_on_a_page_of_somebody_who_left_only_draws_it_anew(
    client: TestClient, inside: Inside, now: int | None, how: dict[str, Any]
) -> None:
    got = sent(client, inside, a_press(**how), then=lambda: setattr(inside, "signed_in", now))

    assert not got.rerun_script.widget_states.widgets
    assert not got.rerun_script.fragment_id
    assert got.rerun_script.query_string == "item=3"


def test_the_sign_in_page_takes_presses(client: TestClient, inside: Inside) -> None:
    inside.signed_in = inside.drawn = None

    assert sent(client, inside, a_press()).rerun_script.widget_states.widgets


def test_a_page_that_refreshes_itself_is_no_act_and_is_looked_at_now_and_then(
    client: TestClient, inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent(client, inside, a_press(is_auto_rerun=True, fragment_id="f"))
    assert inside.noted == [False], "just looked"
    monkeypatch.setattr(sockets, "LOOKS_EVERY", 0.0)

    got = sent(
        client, inside, a_press(is_auto_rerun=True, fragment_id="f"), then=lambda: setattr(inside, "signed_in", None)
    )

    assert not any(inside.noted)
    assert not got.rerun_script.fragment_id, "the whole page is drawn, and asks who is there"
    assert not got.rerun_script.is_auto_rerun


def test_while_the_database_is_away_the_action_has_the_word(client: TestClient, inside: Inside) -> None:
    got = sent(client, inside, a_press(), then=lambda: setattr(inside, "is_away", True))

    assert got.rerun_script.widget_states.widgets


def test_a_browser_cannot_name_its_socket(client: TestClient, inside: Inside) -> None:
    with client.websocket_connect("/stream", headers={sockets.HEADER: "mine"}) as socket:
        assert socket.receive_text() != "mine"


def test_a_socket_that_floods_is_closed_and_told_when_to_come_back(client: TestClient, inside: Inside) -> None:
    with client.websocket_connect("/stream") as socket:
        for _ in range(sockets.MESSAGES):
            socket.receive_text()
            socket.send_bytes(b"")
            socket.receive_bytes()
        socket.receive_text()
        socket.send_bytes(b"")
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_bytes()

    assert closed.value.code == 1008
    assert closed.value.reason == "Too many messages. Try again in 10 seconds."


def test_without_a_cookie_there_is_no_socket(client: TestClient) -> None:
    client.cookies.clear()

    with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect("/stream"):
        pass

    assert refused.value.code == 1008


def test_an_address_holds_so_many_sockets_before_anybody_signs_in(
    client: TestClient, inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "STRANGERS", 2)
    inside.signed_in = inside.drawn = None
    with client.websocket_connect("/stream"), client.websocket_connect("/stream") as second:
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/stream"):
            pass
        second.receive_text()
        inside.signed_in = RITA
        second.send_bytes(a_press())
        second.receive_bytes()

        with client.websocket_connect("/stream") as third:
            assert third.receive_text(), "whoever signed in counts no more"


def test_nothing_is_kept_of_a_socket_that_is_closed(client: TestClient, inside: Inside) -> None:
    with client.websocket_connect("/stream") as socket:
        name = socket.receive_text()
        assert sockets._drawn[name] == RITA
    sockets.drawn_for(name, BO)

    assert name not in sockets._drawn
