"""Browser tabs without a browser: sessions with a real server over its WebSocket, many of them in one process."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from workbench.session import BROWSER_COOKIE

PATIENCE = 120.0  #: seconds for one page; longer is an error
ENDS = (ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_WITH_COMPILE_ERROR)


class Tab:
    """One browser tab: a socket to a server, and what the page shows."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self._socket = socket
        self.buttons: dict[str, str] = {}  #: label → id
        self.said: list[str] = []  #: errors on the page
        self.told: list[str] = []  #: what else it says: what was not done, and what to do
        self.session = ""  #: what the server calls this tab

    async def draw(self, page: str = "", press: str | None = None) -> float:
        """Have a page drawn, or a button pressed on it; seconds until it is there whole."""
        message = BackMsg()
        message.rerun_script.query_string = ""
        message.rerun_script.page_name = page
        if press is not None:
            state = message.rerun_script.widget_states.widgets.add()
            state.id, state.trigger_value = self.buttons[press], True
        began = monotonic()
        await self._socket.send(message.SerializeToString())
        async with asyncio.timeout(PATIENCE):
            while not await self._finished():
                pass
        return monotonic() - began

    async def _finished(self) -> bool:
        """Take in one message; whether the script has run to its end."""
        message = ForwardMsg()
        message.ParseFromString(await self._socket.recv())
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self.buttons, self.said, self.told = {}, [], []
            self.session = message.new_session.initialize.session_id
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            self._take_in(message.delta.new_element)
        elif kind == "script_finished":
            return message.script_finished in ENDS
        return False

    def _take_in(self, element: Any) -> None:
        kind = element.WhichOneof("type")
        if kind == "button":
            self.buttons[element.button.label] = element.button.id
        elif kind == "exception":
            self.said.append(f"exception: {element.exception.type}")
        elif kind == "alert" and element.alert.format == element.alert.ERROR:
            self.said.append(f"error: {element.alert.body[:80]}")
        elif kind == "alert":
            self.told.append(element.alert.body[:200])


def connect(url: str, token: str) -> websockets.connect:
    return websockets.connect(
        url.replace("http", "ws") + "/_stcore/stream",
        additional_headers={"Cookie": f"{BROWSER_COOKIE}={token}"},
        subprotocols=[websockets.Subprotocol("streamlit")],
        origin=websockets.Origin(url),
        max_size=None,
        open_timeout=PATIENCE,
    )
