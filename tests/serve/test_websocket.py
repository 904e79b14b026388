"""Messages from pages are looked at before Jupyter believes them. The oracle is Jupyter's own packing."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1

from prunelab.serve.websocket import MOST_PARTS, is_well_formed

PARTS = st.lists(st.binary(max_size=40), min_size=4, max_size=30)


def packed(parts: list[bytes], channel: str = "shell") -> bytes:
    return bytes(serialize_msg_to_ws_v1(parts, channel))


@given(PARTS, st.sampled_from(["shell", "control", "iopub"]))
def test_all_that_jupyter_packs_is_well_formed(parts, channel):
    message = packed(parts, channel)
    assert is_well_formed(message)
    assert deserialize_msg_from_ws_v1(message) == (channel, parts)


@given(PARTS, st.data())
def test_what_says_more_than_it_has_is_not(parts, data):
    message = packed(parts)
    count = int.from_bytes(message[:8], "little")
    assert not is_well_formed(message[: data.draw(st.integers(0, len(message) - 1))] if parts[-1] else message[:8])
    lie = data.draw(st.integers(MOST_PARTS + 1, 2**64 - 1))
    assert not is_well_formed(lie.to_bytes(8, "little") + message[8:])
    place = data.draw(st.integers(1, count))
    beyond = data.draw(st.integers(len(message) + 1, 2**64 - 1))
    assert not is_well_formed(message[: 8 * place] + beyond.to_bytes(8, "little") + message[8 * place + 8 :])


@given(st.binary(max_size=200))
def test_of_anything_else_it_is_only_said_whether_jupyter_could_read_it(message):
    if is_well_formed(message):
        channel_and_parts = deserialize_msg_from_ws_v1(message)
        assert len(channel_and_parts[1]) >= 4


@pytest.mark.parametrize("message", [
    b"", b"\x00" * 8, b"\xff" * 8, (2**60).to_bytes(8, "little"), json.dumps({"channel": "shell"}).encode(),
    struct.pack("<7Q", 6, 56, 50, 56, 56, 56, 56), struct.pack("<7Q", 6, 0, 0, 0, 0, 0, 0),
], ids=["empty", "no parts", "all ones", "2**60 parts", "JSON", "backwards", "into its own header"])  # fmt: skip
def test_what_is_no_message_is_found_at_once(message):
    assert not is_well_formed(message)
