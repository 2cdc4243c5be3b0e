"""Every request over stdio is answered, however it is written, and the server goes on with the next line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from PIL import Image

from tests.mcp_app.raw_client import PATIENCE_SECONDS, call, initialize, ping, raw_client

if TYPE_CHECKING:
    from pathlib import Path

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602


def _nested(depth: int) -> str:
    return call(7, size="@").replace('"@"', "[" * depth + "]" * depth)


def _request(**members: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "method": "ping", **members})


UNDERSTOOD: dict[str, tuple[str | bytes, Any]] = {
    "byte order mark": ("\ufeff" + call(7), 7),
    "two byte order marks and blanks": (" \ufeff\ufeff\t" + call("a") + " \r", "a"),
    "half a character in an argument": (call(7, size="a \ud800"), 7),
    "the other half in a key": (call(7, size={"\udc00": 1}), 7),
    "half a character as text in bytes": (call(7, size="@").encode().replace(b"@", b"\xed\xa0\x80"), 7),
    "bytes that are not UTF-8": (call(7, size="@").encode().replace(b"@", b"\xff\xfe"), 7),
    "a tab in a text": (call(7, size="a@b").replace("@", "\t"), 7),
    "an id without digits behind its point": (call(7).replace('"id": 7', '"id": 7.0'), 7),
    "an id of thirty digits": (call(10**30), 10**30),
    "a negative id": (call(-7), -7),
    "an empty id": (call(""), ""),
    "an id that looks like a number": (call("007"), "007"),
    "nested 150 deep": (_nested(150), 7),
    "a text with megabytes": (call(7, size="x" * 5_000_000), 7),
    "a list as text, nested deeply": (call(7, "edit_image", prompt="x", images="[" * 50_000), 7),
    "half a character in JSON as text": (
        call(7, "edit_image", prompt="x", images=["/x"], regions=r'[{"shape": "\ud800"}]'),
        7,
    ),
}

REFUSED: dict[str, tuple[str | bytes, Any, int]] = {
    "half a character in the method": (_request(id=7, method="pi\ud800ng"), 7, METHOD_NOT_FOUND),
    "half a character in the id": (_request(id="7\ud800"), "7\ud800", INVALID_REQUEST),
    "nested 400 deep": (_nested(400), 7, INVALID_REQUEST),
    "nested 5,000 deep": (_nested(5_000), 7, PARSE_ERROR),
    "nested 500,000 deep": (_nested(500_000), 7, PARSE_ERROR),
    "nested and not closed": (_nested(5_000).replace("]", ""), 7, PARSE_ERROR),
    "id behind the nesting": (
        _request(params="@").replace('"@"', "[" * 5000 + "]" * 5000)[:-1] + ', "id": "z"}',
        "z",
        PARSE_ERROR,
    ),
    "an id within the arguments": (
        _nested(5_000).replace('"id": 7, ', "").replace('"name"', '"id": 9, "name"'),
        None,
        PARSE_ERROR,
    ),
    "no JSON": ("hello", None, PARSE_ERROR),
    "words before it": ("INFO " + ping(7), 7, PARSE_ERROR),
    "cut off": (call(7)[:-9], 7, PARSE_ERROR),
    "cut off in a text of quotes": (call(7, size='"' * 100_000)[:-3], 7, PARSE_ERROR),
    "cut off in a text of megabytes": (call(7, size='"' * 3_000_000)[:-3], 7, PARSE_ERROR),
    "megabytes with the id last": ('{"x": "' + "y" * 3_000_000 + '", , "id": 7}', 7, PARSE_ERROR),
    "a comma too many": (ping(7)[:-1] + ",}", 7, PARSE_ERROR),
    "quotes of Python": (ping(7).replace('"', "'"), 7, PARSE_ERROR),
    "UTF-16": (ping(7).encode("utf-16"), None, PARSE_ERROR),
    "an id of 5,000 digits": (ping(7).replace("7", "7" * 5_000), None, PARSE_ERROR),
    "no jsonrpc": ('{"id": 7, "method": "ping"}', 7, INVALID_REQUEST),
    "another jsonrpc": (_request(id=7, jsonrpc="1.0"), 7, INVALID_REQUEST),
    "jsonrpc as a number": (_request(id=7, jsonrpc=2.0), 7, INVALID_REQUEST),
    "params in a list": (_request(id=7, params=[]), 7, INVALID_REQUEST),
    "params as text": (_request(id="x", params="x"), "x", INVALID_REQUEST),
    "no params where some are needed": (_request(id=7, method="tools/call"), 7, INVALID_PARAMS),
    "a list that is no params": (_request(id=7, method="tools/call", params=[{}]), 7, INVALID_REQUEST),
    "no method": ('{"jsonrpc": "2.0", "id": 7}', 7, INVALID_REQUEST),
    "a method that is a number": (_request(id=7, method=5), 7, INVALID_REQUEST),
    "an unknown method": (_request(id=7, method="nope"), 7, METHOD_NOT_FOUND),
    "id null": (_request(id=None), None, INVALID_REQUEST),
    "id 1.5": (_request(id=1.5), 1.5, INVALID_REQUEST),
    "id true": (_request(id=True), None, INVALID_REQUEST),
    "id in a list": (_request(id=[7]), None, INVALID_REQUEST),
    "id in an object": (_request(id={"id": 7}), None, INVALID_REQUEST),
    "an infinite id": (ping("@").replace('"@"', "1e999"), None, INVALID_REQUEST),
    "a number": ("5", None, INVALID_REQUEST),
    "null": ("null", None, INVALID_REQUEST),
    "an empty object": ("{}", None, INVALID_REQUEST),
    "an empty batch": ("[]", None, INVALID_REQUEST),
}  # fmt: skip

# Nobody waits for an answer to these.
SILENT: dict[str, str | bytes] = {
    "an empty line": "",
    "blanks": " \t\r",
    "a byte order mark alone": "\ufeff",
    "a notification": _request(method="notifications/other"),
    "a notification with wrong params": _request(method="notifications/other", params=[]),
    "a notification about an id": _request(method="notifications/other", params={"id": 7}),
    "a cancellation of megabytes": _request(
        method="notifications/cancelled", params={"requestId": "x" * 1_000_000}
    ),
    "progress with megabytes": _request(
        method="notifications/progress",
        params={"progressToken": "x", "progress": 1, "message": "y" * 1_000_000},
    ),
    "an answer": '{"jsonrpc": "2.0", "id": 7, "result": {}}',
    "an answer with a wrong result": '{"jsonrpc": "2.0", "id": 7, "result": 5}',
    "an error that is none": '{"jsonrpc": "2.0", "id": 7, "error": "x"}',
}


def test_what_can_be_understood_is_answered_with_its_id() -> None:
    with raw_client() as client:
        for name, (line, request) in UNDERSTOOD.items():
            answer = client.ask(line)
            assert answer["id"] == request, name
            assert "content" in answer["result"], name
        assert client.leave() == 0


def test_what_cannot_be_understood_gets_an_error_with_its_id_if_it_has_one() -> None:
    with raw_client() as client:
        for name, (line, request, code) in REFUSED.items():
            answer = client.ask(line)
            assert (answer["id"], answer["error"]["code"]) == (request, code), name
        assert client.leave() == 0


def test_what_nobody_waits_for_gets_no_answer_and_leaves_no_traceback(tmp_path: Path) -> None:
    with (tmp_path / "said").open("wb") as said, raw_client(stderr=said.fileno()) as client:
        client.send(*SILENT.values())
        assert client.ask(ping("next"))["id"] == "next"
        assert client.leave() == 0
    assert "Traceback" not in (tmp_path / "said").read_text()


def test_a_byte_order_mark_before_the_first_line_opens_a_session() -> None:
    with raw_client(mark="\ufeff") as client:
        assert client.ask(ping(1))["id"] == 1


def test_two_requests_on_one_line_are_both_answered() -> None:
    with raw_client() as client:
        assert [client.ask(ping(1) + ping(2))["id"], client.next()["id"]] == [1, 2]


OTHER = _request(method="notifications/other")
BATCH = f'[{ping(1)}, 5, {OTHER}, {{"id": 2}}, {call("3", size="half a character")}]'.replace(
    "half", r"\ud800"
)


@pytest.mark.parametrize("version", ["2024-11-05", "2025-06-18", "2025-11-25"])
def test_where_there_are_no_batches_each_request_of_one_is_refused(version: str) -> None:
    with raw_client(version=version) as client:
        for line, code in ((BATCH, INVALID_REQUEST), (BATCH[:-1], PARSE_ERROR)):
            answers = [client.ask(line), client.next(), client.next()]
            assert [answer["id"] for answer in answers] == [1, 2, "3"]
            assert {answer["error"]["code"] for answer in answers} == {code}
        answer = client.ask(f"[{OTHER}]")
        assert (answer["id"], answer["error"]["code"]) == (None, INVALID_REQUEST)
        assert client.ask(ping("next"))["id"] == "next"


def test_a_batch_is_answered_with_a_batch_where_the_protocol_has_them() -> None:
    with raw_client(version="2025-03-26") as client:
        failed = {answer["id"]: "error" in answer for answer in client.ask(BATCH)}
        assert failed == {1: False, None: True, 2: True, "3": False}
        assert client.ask(f"[{ping('alone')}]") == [{"jsonrpc": "2.0", "id": "alone", "result": {}}]
        assert client.ask("[5]")[0]["error"]["code"] == INVALID_REQUEST
        assert client.ask("[]")[0]["id"] is None
        client.send(f"[{OTHER}]")
        assert client.ask(ping("next"))["id"] == "next"
        assert client.leave() == 0


def test_a_batch_that_comes_right_behind_the_handshake_is_one() -> None:
    with raw_client() as client:
        client.send(initialize("2025-03-26"), f"[{ping(1)}, {ping(2)}]")
        assert client.next()["id"] == 0
        assert sorted(answer["id"] for answer in client.next()) == [1, 2]


def test_a_cancelled_request_does_not_hold_up_its_batch() -> None:
    cancel = _request(method="notifications/cancelled", params={"requestId": 1})
    slow = call(1, "generate_image", prompt="a fox [sandbox:delay=40]")
    with raw_client(version="2025-03-26", GPT_IMAGE_SHUTDOWN_GRACE_SECONDS="0") as client:
        client.send(f"[{slow}, {ping(2)}]", cancel)
        assert [answer["id"] for answer in client.next()] == [2]


def test_a_batch_is_answered_when_the_client_leaves() -> None:
    slow = call(1, "generate_image", prompt="a fox [sandbox:delay=40]")
    with raw_client(version="2025-03-26", GPT_IMAGE_SHUTDOWN_GRACE_SECONDS="0") as client:
        client.send(f"[{slow}, {ping(2)}]")
        assert client.leave() == 0
        assert {answer["id"] for answer in client.next()} == {1, 2}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_file_whose_name_is_not_text_costs_no_answer(project: Path) -> None:
    picture = Image.new("RGB", (64, 64), "red")
    picture.save(project / "a.png")
    (project / os.fsdecode(b"b\xe9.png")).write_bytes((project / "a.png").read_bytes())
    with raw_client() as client:
        result = client.ask(call(1, "batch_edit_images", prompt="x", images=["*.png"], quality="low"))[
            "result"
        ]
    first, second = result["structuredContent"]["items"]
    assert (first["status"], second["status"]) == ("completed", "failed")
    assert second["input"].endswith("b\ufffd.png")


def test_a_log_over_http_is_waited_for_by_nobody_either() -> None:
    """The same writer is behind both transports."""
    with subprocess.Popen(
        [sys.executable, "-m", "gpt_image_mcp", "serve", "--transport", "http", "--port", "0"],
        stderr=subprocess.PIPE,
    ) as process:
        try:
            assert process.stderr is not None
            address = process.stderr.readline().decode().split()[4].rstrip(",")
            with httpx2.Client(timeout=PATIENCE_SECONDS) as client:
                for number in range(400):
                    assert _post(client, address, call(number, n="many"))["result"]["isError"]
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_SECONDS) == 0
        finally:
            process.kill()


def _post(client: httpx2.Client, address: str, body: str) -> Any:
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    message = json.loads(body)
    message["params"]["_meta"] = meta
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": message["method"],
        "Mcp-Name": message["params"]["name"],
    }
    answer = client.post(address, json=message, headers=headers).text
    return json.loads(answer.partition("data: ")[2] or answer)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_message_of_too_many_values_is_refused_unread_with_its_id(*, is_first: bool) -> None:
    points = "[0,0]," * 100_000 + "[0,0]"
    params = f'"method":"tools/call","params":{{"name":"edit_image","arguments":{{"marks":[{points}]}}}}'
    members = ['"jsonrpc":"2.0","id":7', params] if is_first else [params, '"jsonrpc":"2.0","id":7']
    with raw_client() as client:
        client.send("{" + ",".join(members) + "}")
        answer = client.next()
        assert (answer["id"], answer["error"]["code"]) == (7, -32700)
        assert "250,000 values" in answer["error"]["message"]
        assert "result" in client.ask(ping(8))
