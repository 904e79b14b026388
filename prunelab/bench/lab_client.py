"""A visitor of the lab without a browser: speaks what a page speaks, so that many fit on one machine.

It opens the page, asks for all widgets as a page does, shows signs of life, moves the slider, presses buttons, and
reads the lab's state from the attributes that the page would carry. It draws nothing; but every plot counts as visible,
so that its kernel has more to do than under a page.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
import uuid
from typing import Any
from urllib.parse import urlsplit

import requests
from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from prunelab.serve.websocket import PROTOCOL

TIMEOUT = 120.0  # seconds for every wait
SIGN_OF_LIFE = 0.75  # seconds between two, as a page's
GONE = ("restarting", "autorestarting", "dead")  # states of a kernel that has forgotten its lab
LARGEST = 64 * 2**20  # bytes of a message


class AtTheDoor(Exception):
    """There was no place. number: in the queue."""

    def __init__(self, number: int) -> None:
        super().__init__(f"number {number} in the queue")
        self.number = number


class LabClient:
    """One visitor, with cookies of his own. url: of the server, with a token where it asks for one."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._base = url.partition("?")[0]
        self._http = requests.Session()
        self._http.trust_env = False  # no proxy: this is our own machine
        self.kernel = ""
        self.session = ""  # under which the lab is saved
        self.attributes: dict[str, str] = {}
        self.title = ""
        self.lost = False  # whether the line is cut, or the kernel has ended
        self._query = ""  # of the page's address
        self._news = asyncio.Condition()
        self._socket: ClientConnection | None = None
        self._heard: float | None = None  # time of the kernel's latest answer, by its clock
        self._tasks: list[asyncio.Task[None]] = []
        self._models: dict[str, dict[str, Any]] = {}
        self._special: dict[str, str] = {}  # the models that matter, by what they are

    async def open(self, query: str = "") -> float:
        """Come in, or come back: seconds until the lab can be used. Raises AtTheDoor, or TimeoutError."""
        began = time.perf_counter()
        self._query = "&".join(part for part in query.split("&") if not part.startswith("session="))
        parts = [part for part in (self._url.partition("?")[2], query) if part]
        address = f"{self._base}?{'&'.join(parts)}"
        page = (await asyncio.to_thread(self._http.get, address, timeout=TIMEOUT)).text
        door = re.search(r'class="prunelab-door" data-number="(\d+)"', page)
        if door:
            raise AtTheDoor(int(door[1]))
        found = re.search(r'"kernelId":\s*"([^"]+)"', page)
        if not found:
            raise RuntimeError(f"no lab on the page: {re.sub('<[^>]+>', ' ', page)[-300:]}")
        self.kernel, self._heard = found[1], None
        self._http.cookies.set("_xsrf", "bench")
        await self.connect()
        return time.perf_counter() - began

    async def connect(self) -> None:
        """Until the lab can be used: after a line that was cut, in the kernel that the page has."""
        self.lost, self.attributes, self._special = False, {}, {}
        cookies = "; ".join(f"{each.name}={each.value}" for each in self._http.cookies)
        address = f"ws{self._base[4:]}api/kernels/{self.kernel}/channels?session_id={uuid.uuid4()}"
        origin: Any = "{0.scheme}://{0.netloc}".format(urlsplit(self._base))
        self._socket = await connect(
            address, additional_headers={"Cookie": cookies}, origin=origin, subprotocols=[Subprotocol(PROTOCOL)],
            max_size=LARGEST, proxy=None, ping_interval=None,
        )  # fmt: skip
        self._control = uuid.uuid4().hex
        self._tasks = [asyncio.create_task(self._listen())]
        await self._send("comm_open", {"comm_id": self._control, "target_name": "jupyter.widget.control", "data": {}})
        await self._message(self._control, {"method": "request_states"})
        await self._until(lambda: "status" in self._special)
        await self._message(self._special["batching"], {"method": "custom", "content": {"have": 0}})
        self._tasks.append(asyncio.create_task(self._live()))
        await self.until(state="ready")

    async def reopen(self) -> float:
        """Come back by the address that the page had, which carries its settings and the id of the saved lab."""
        return await self.open("&".join(filter(None, (self._query, f"session={self.session}"))))

    async def until(self, **attributes: str) -> None:
        """Until the lab has these attributes. Raises TimeoutError, or ConnectionError when the lab is lost."""
        await self._until(lambda: all(self.attributes.get(name) == value for name, value in attributes.items()))

    async def until_seed(self, seed: int) -> None:
        """Until the network is the one that a link with this seed asks for, and is ready."""
        await self._until(lambda: self.title.endswith(f"seed {seed}") and self.attributes.get("state") == "ready")

    async def slide(self, quality: float) -> float:
        """Move the slider: seconds until the page would show the cut there."""
        began = time.perf_counter()
        update = {"method": "update", "state": {"value": quality}, "buffer_paths": []}
        await self._message(self._special["quality"], update)
        await self.until(preview=f"{quality:.2f}")
        return time.perf_counter() - began

    async def press(self, button: str) -> None:
        """Press a button, by the beginning of its label. Raises RuntimeError if there is none."""
        for model, state in self._models.items():
            if state["_model_name"] == "ButtonModel" and state["description"].startswith(button):
                await self._message(model, {"method": "custom", "content": {"event": "click"}})
                return
        raise RuntimeError(f"there is no button {button!r}")

    async def set(self, label: str, before: float, value: float) -> None:
        """Set a number field, by its label and what it is set to: two may be called "epochs". RuntimeError without."""
        for model, state in self._models.items():
            if state.get("description") == label and state.get("value") == before:
                update = {"method": "update", "state": {"value": value}, "buffer_paths": []}
                await self._message(model, update)
                return
        raise RuntimeError(f"there is no field {label!r} with {before}")

    async def leave(self) -> None:
        """Close the page: its kernel ends."""
        await self.vanish()
        if self.kernel:
            address = f"{self._base}voila/api/shutdown/{self.kernel}?_xsrf=bench"
            await asyncio.to_thread(self._http.post, address, timeout=TIMEOUT)
            self.kernel = ""

    async def vanish(self) -> None:
        """Cut the line without a word."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._socket is not None:
            await self._socket.close()
            self._socket = None

    async def _live(self) -> None:
        question = 0
        with contextlib.suppress(ConnectionClosed):  # the listener tells that the lab is lost
            while not self.lost:
                question += 1
                sign = {"kind": "here", "view": "bench", "question": question, "heard": self._heard, "losses": 0}
                await self._message(self._special["status"], {"method": "custom", "content": sign})
                await asyncio.sleep(SIGN_OF_LIFE)

    async def _listen(self) -> None:
        assert self._socket is not None
        try:
            with contextlib.suppress(ConnectionClosed):
                async for raw in self._socket:
                    message = _decoded(raw if isinstance(raw, bytes) else raw.encode())
                    kind = message["header"]["msg_type"]
                    if kind == "comm_msg":
                        await self._hear(message["content"]["comm_id"], message["content"]["data"])
                    elif kind == "status" and message["content"]["execution_state"] in GONE:
                        break
        finally:
            async with self._news:
                self.lost = True
                self._news.notify_all()

    async def _hear(self, comm: str, data: dict[str, Any]) -> None:
        states: dict[str, dict[str, Any]] = {}
        if comm == self._control and data.get("method") == "update_states":
            models = data["states"].items()
            self._models = {id: model["state"] | {"_model_name": model["model_name"]} for id, model in models}
            self._special = _special(self._models)
            states = self._models
        elif data.get("method") == "update":
            states = {comm: data["state"]}
        elif data.get("method") == "custom":
            states = data["content"].get("states") or {}
            self._heard = data["content"].get("at", self._heard)
        for id, state in states.items():
            self._models.get(id, {}).update(state)
        news = states.get(self._special.get("status", ""))
        if news is None:
            return
        async with self._news:
            self.attributes = news.get("attributes", self.attributes)
            self.session = news.get("session", self.session)
            self.title = news.get("title", self.title)
            self._query = self._query if news.get("query") is None else news["query"]
            self._news.notify_all()

    async def _until(self, told: Any) -> None:
        async with asyncio.timeout(TIMEOUT), self._news:
            await self._news.wait_for(lambda: self.lost or told())
        if self.lost:
            raise ConnectionError("the lab is lost")

    async def _message(self, comm: str, data: dict[str, Any]) -> None:
        await self._send("comm_msg", {"comm_id": comm, "data": data})

    async def _send(self, kind: str, content: dict[str, Any]) -> None:
        assert self._socket is not None
        header = {
            "msg_id": uuid.uuid4().hex, "msg_type": kind, "username": "", "session": "bench", "version": "5.3",
            "date": "2000-01-01T00:00:00Z",
        }  # fmt: skip
        message = {"header": header, "parent_header": {}, "metadata": {"version": "1.0.0"}, "content": content}
        await self._socket.send(serialize_msg_to_ws_v1(message, "shell", _packed))  # type: ignore[no-untyped-call]


def _packed(part: dict[str, Any]) -> bytes:
    return json.dumps(part, separators=(",", ":")).encode()


def _decoded(raw: bytes) -> dict[str, Any]:
    """Header and content of a message; what is binary in it is left out."""
    _, parts = deserialize_msg_from_ws_v1(raw)  # type: ignore[no-untyped-call]
    return {"header": json.loads(parts[0]), "content": json.loads(parts[3])}


def _special(models: dict[str, dict[str, Any]]) -> dict[str, str]:
    """The models that a client speaks to."""
    found = {}
    for id, state in models.items():
        if "own_id" in state and "attributes" in state:
            found["status"] = id
        elif set(state) & {"count"} and "_esm" in state:
            found["batching"] = id
        elif state.get("description") == "quality" and "bounds" in state:
            found["quality"] = id
    return found
