"""What a visitor who means harm can do with his page's websocket, and with as many pages as he likes: very little."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.cookiejar import Cookie
from pathlib import Path
from typing import Any

import psutil
import pytest
from jupyter_client import BlockingKernelClient
from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from prunelab.serve.voila_app import LARGEST_MESSAGE
from prunelab.serve.websocket import PROTOCOL
from prunelab.workshop.line import AT_ONCE
from support.servers import Server, expect_preheated, kernels, stop, when
from support.workshop import HOST_TOKEN, TOKEN, Visitor, start_workshop

HARM = "open({!r}, 'w').write('harm')"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    started = start_workshop(tmp_path_factory.mktemp("home"), places=3, pool=0)
    yield started
    stop(started)


class Page:
    """A page with a kernel."""

    def __init__(
        self, browser: Visitor, address: str = f"?token={TOKEN}", answer: tuple[int, str, str] | None = None
    ) -> None:
        """address: that is asked for. answer: to who has asked already."""
        self.browser, self.ask = browser, browser.ask
        status, text, _ = answer or self.ask(address)
        found = re.search(r'"kernelId":\s*"([^"]+)"', text)
        assert status == 200 and found, text[-500:]
        self.kernel = found[1]

    @contextmanager
    def socket(self) -> Iterator[ClientConnection]:
        address = f"ws{self.browser.server.url[4:]}api/kernels/{self.kernel}/channels?session_id={uuid.uuid4()}"
        headers = {"Cookie": "; ".join(f"{each.name}={each.value}" for each in self.browser.cookies)}
        origin: Any = self.browser.server.url.rstrip("/")
        speaks: Any = [PROTOCOL]
        with connect(address, additional_headers=headers, origin=origin, subprotocols=speaks, proxy=None) as socket:
            yield socket

    def leave(self) -> None:
        host = self.browser.server.url.split("/")[2].split(":")[0]
        shown: Any = ["_xsrf", "proof", None, False, host, False, False, "/", True, False, None, False, None, None, {}]
        self.browser.cookies.set_cookie(Cookie(0, *shown))
        assert self.ask(f"voila/api/shutdown/{self.kernel}?_xsrf=proof", "POST")[0] == 204


@pytest.fixture(scope="module")
def visitor(server):
    return Visitor(server)


@pytest.fixture
def tab(visitor):
    opened = Page(visitor)
    yield opened
    opened.leave()


def message(kind: str, content: dict[str, Any], channel: str = "shell") -> bytes:
    header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "session": "s", "username": "", "version": "5.3",
              "date": "2000-01-01T00:00:00Z"}  # fmt: skip
    parts = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
    return bytes(serialize_msg_to_ws_v1(parts, channel, lambda part: json.dumps(part).encode()))


def heard_until(socket: ClientConnection, kind: str) -> list[str]:
    kinds: list[str] = []
    while kind not in kinds:
        raw = socket.recv(timeout=60)
        assert isinstance(raw, bytes)
        kinds.append(json.loads(deserialize_msg_from_ws_v1(raw)[1][0])["msg_type"])
    return kinds


@pytest.mark.parametrize("channel", ["shell", "control", "stdin"])
def test_no_code_is_run_completed_or_looked_into(tab, tmp_path, channel):
    file = tmp_path / "harm"
    code = HARM.format(str(file))
    with tab.socket() as socket:
        for kind, content in {
            "execute_request": {"code": code, "silent": False, "store_history": False, "user_expressions": {"x": code}},
            "complete_request": {"code": "import o", "cursor_pos": 8},
            "inspect_request": {"code": "open", "cursor_pos": 4, "detail_level": 1},
            "history_request": {"hist_access_type": "tail", "n": 5, "output": True, "raw": True},
            "is_complete_request": {"code": code},
            "debug_request": {"type": "request", "command": "evaluate", "arguments": {"expression": code}},
            "create_subshell_request": {},
            "input_reply": {"value": code},
        }.items():
            socket.send(message(kind, content, channel))
        socket.send(message("kernel_info_request", {}))
        kinds = heard_until(socket, "kernel_info_reply")
    replies = {kind for kind in kinds if kind.endswith("_reply")} - {"kernel_info_reply"}
    assert not replies and "execute_input" not in kinds and "error" not in kinds
    assert not file.exists()


def test_a_widget_of_another_kind_cannot_be_made_to_run_code(tab, tmp_path):
    file = tmp_path / "harm"
    with tab.socket() as socket:
        for target in ("jupyter.widget", "os.system", "prunelab"):
            state = {"_model_module": "os", "_model_name": "system", "_view_name": HARM.format(str(file))}
            content = {"comm_id": uuid.uuid4().hex, "target_name": target, "data": {"state": state}}
            socket.send(message("comm_open", content))
        socket.send(message("kernel_info_request", {}))
        heard_until(socket, "kernel_info_reply")
    assert not file.exists()


def test_a_flood_ends_its_own_connection_and_nothing_else(tab):
    with tab.socket() as socket, pytest.raises(ConnectionClosed) as closed:
        ping = message("kernel_info_request", {})
        for _ in range(20 * AT_ONCE):
            socket.send(ping)
        while True:
            socket.recv(timeout=60)
    assert "too many messages" in str(closed.value) or closed.value.rcvd is None
    assert tab.ask("place")[0] == 200


def test_a_message_that_is_too_large_ends_its_own_connection(tab):
    with tab.socket() as socket, pytest.raises(ConnectionClosed):
        socket.send(message("comm_msg", {"comm_id": "x", "data": "x" * LARGEST_MESSAGE}))
        while True:
            socket.recv(timeout=60)
    assert tab.ask("place")[0] == 200


def test_kernels_are_not_listed_and_no_other_is_named_on_a_page(server, tab):
    other = Page(Visitor(server))
    try:
        for path in ("api/kernels", "api/sessions", "api/status", "api/contents", "api/terminals", "voila/tree"):
            status, text, _ = tab.ask(path)
            assert status in (403, 404) or "kernelId" not in text
            assert other.kernel not in text
        assert tab.ask("api/kernels", "POST")[0] in (403, 404, 405)
    finally:
        other.leave()


@pytest.mark.parametrize("path", [
    "voila/files/../server.log", "voila/files/%2e%2e/%2e%2e/etc/passwd", "voila/files/dashboard.ipynb",
    "voila/static/../../../etc/passwd", "voila/templates/prunelab/static/../../../../../etc/passwd",
    "voila/files//etc/passwd", "..%2f..%2fetc/passwd",
])  # fmt: skip
def test_no_file_outside_the_allow_list(tab, path):
    status, text, _ = tab.ask(path)
    assert "root:" not in text and "cells" not in text and status >= 400


def test_pages_that_are_opened_together_are_counted_too(visitor):
    first = Page(visitor)
    with ThreadPoolExecutor(7) as pool:
        answers = list(pool.map(visitor.ask, [""] * 7))
    pages = [first, *(Page(visitor, answer=each) for each in answers if each[0] == 200)]
    assert sorted(each[0] for each in answers) == 3 * [200] + 4 * [429]
    for each in pages:
        each.leave()


def test_a_page_that_was_just_closed_leaves_room_for_the_next(visitor):
    pages = [Page(visitor) for _ in range(4)]
    for _ in range(3):  # at once: not when the desk looks the next time
        pages.pop().leave()
        pages.append(Page(visitor))
    for each in pages:
        each.leave()


def test_one_browser_has_so_many_pages_and_strangers_fill_the_room_and_no_more(server, visitor):
    pages = [Page(visitor) for _ in range(4)]
    status, text, _ = visitor.ask("")
    assert status == 429 and "You have 4 labs open in this browser" in text
    found = [Visitor(server).ask(f"?token={TOKEN}")[1] for _ in range(6)]
    assert sum("prunelab-door" in text for text in found) >= 4, "three places, one of them taken"
    assert len(kernels(server)) <= 4 + 2
    for each in pages:
        each.leave()


def test_kernels_inherit_no_secret(server, tab):
    children = psutil.Process(server.process.pid).children(recursive=True)
    assert any("ipykernel_launcher" in " ".join(each.cmdline()) for each in children)
    for process in children:
        told = "\n".join(f"{name}={value}" for name, value in process.environ().items())
        assert TOKEN not in told and HOST_TOKEN not in told


def environment_within(server: Server, kernel: str) -> dict[str, str]:
    """What a kernel sees as its environment: asked on its own sockets, which no page reaches."""
    command = next(line for line in (" ".join(each.cmdline()) for each in kernels(server)) if kernel in line)
    client = BlockingKernelClient()
    client.load_connection_file(command[command.index("-f ") + 3 :].split()[0])
    client.start_channels()
    told: list[str] = []
    client.execute_interactive(
        "import json, os; print(json.dumps(dict(os.environ)))",
        store_history=False,
        timeout=60,
        output_hook=lambda message: told.append(message["content"].get("text", "")),
    )
    client.stop_channels()
    return dict(json.loads("".join(told)))


def saved_pages(server: Server) -> list[Path]:
    return list(server.log_file.parent.rglob("visits/*/page.json"))


@pytest.mark.parametrize("pool", [0, 1])
def test_the_token_reaches_no_kernel_and_nothing_that_is_saved(tmp_path, pool):
    server = start_workshop(tmp_path, places=3, pool=pool)
    try:
        if pool:
            expect_preheated(server)
        first = Page(Visitor(server), f"?token={TOKEN}&utm_source=x&%74oken={TOKEN}&quality=1.5")
        told = environment_within(server, first.kernel)
        assert told["VOILA_PREHEAT"] == str(pool > 0)
        assert told["QUERY_STRING"] == "utm_source=x&quality=1.5"
        assert [name for name, value in told.items() if TOKEN in value] == []
        # The next one that is made ready inherits the address of the last visitor.
        if pool:
            expect_preheated(server, 2)
        assert len(kernels(server)) == 1 + pool
        second = Page(Visitor(server))
        told = environment_within(server, second.kernel)
        assert [name for name, value in told.items() if TOKEN in value] == []
        assert when(server, lambda: len(saved_pages(server)) == 2)
        assert all(TOKEN not in page.read_text() for page in saved_pages(server))
    finally:
        stop(server)
