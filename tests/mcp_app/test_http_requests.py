"""What HTTP clients send that strays from the letter of the protocol, and what they are told."""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from gpt_image_mcp.mcp_app.http import listen
from gpt_image_mcp.mcp_app.http_middleware import MAX_BODY_BYTES
from tests.mcp_app.http_servers import START_SECONDS, serve, serve_by_fastmcp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.mcp_app.http_servers import Served

Headers = dict[str, str]
JSON, STREAM = "application/json", "text/event-stream"
POSTED = {"Content-Type": JSON, "Accept": f"{JSON}, {STREAM}"}
PING: dict[str, Any] = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
INITIALIZE: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "a test", "version": "1"},
    },
}
DRAW = {"prompt": "data: a boat", "quality": "low"}


@dataclass(frozen=True)
class Reply:
    """What came back.

    Attributes:
        text: The body; empty for a stream that was only begun.
    """

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def kind(self) -> str:
        """The type of the body."""
        return self.headers.get("content-type", "").partition(";")[0]

    @property
    def message(self) -> Any:
        """The last JSON-RPC message."""
        *_, last = [line.removeprefix("data: ") for line in self.text.splitlines() if line[:1] in {"{", "d"}]
        return json.loads(last)

    @property
    def error(self) -> str:
        """The sentence of a refusal."""
        return str(self.message["error"]["message"])


def ask(
    served: Served, method: str, path: str = "/mcp", *, headers: Headers | None = None, body: Any = None
) -> Reply:
    """Sends exactly these headers, with a length if there is a body."""
    host, port = served.root.removeprefix("http://").rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=START_SECONDS)
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    connection.putrequest(method, path, skip_host="Host" in (headers or {}), skip_accept_encoding=True)
    for name, value in (headers or {}).items():
        connection.putheader(name, value)
    if data is not None:
        connection.putheader("Content-Length", str(len(data)))
    connection.endheaders(data)
    answer = connection.getresponse()
    found = {name.lower(): value for name, value in answer.getheaders()}
    is_open = method == "GET" and STREAM in found.get("content-type", "")
    text = "" if is_open else answer.read().decode()
    connection.close()
    return Reply(answer.status, found, text)


def post(served: Served, body: Any, *, path: str = "/mcp", **headers: str) -> Reply:
    """Posts a message; the names of further headers take ``_``, and an empty value leaves one out."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(
        served, "POST", path, headers={k: v for k, v in {**POSTED, **named}.items() if v != ""}, body=body
    )


def modern(served: Served, method: str, params: Any = None, **headers: str) -> Reply:
    """Posts a request of protocol 2026-07-28, which has no sessions."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "a test", "version": "1"},
    }
    body: dict[str, Any] = {
        "jsonrpc": "2.0",
        "id": 7,
        "method": method,
        "params": {**(params or {}), "_meta": meta},
    }
    name = {"Mcp_Name": str(params["name"])} if params else {}
    return post(served, body, MCP_Protocol_Version="2026-07-28", Mcp_Method=method, **name, **headers)


def begin(served: Served) -> str:
    """Begins a session."""
    session = post(served, INITIALIZE).headers["mcp-session-id"]
    post(served, {"jsonrpc": "2.0", "method": "notifications/initialized"}, Mcp_Session_Id=session)
    return session


@pytest.fixture(scope="module", params=[serve, serve_by_fastmcp], ids=["serve", "fastmcp run"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of each kind, which answers to a name besides those of this machine."""
    hosts = "http://host.docker.internal:8000/mcp, *.pictures.example"
    with request.param(tmp_path_factory.mktemp("served"), GPT_IMAGE_ALLOWED_HOSTS=hosts) as running:
        yield running


@pytest.fixture
def session(served: Served) -> str:
    """A session of before 2026-07-28."""
    return begin(served)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_connections_do_not_hold_small_packets_back(address: str) -> None:
    """Otherwise the second half of each answer waits for the acknowledgement of the first, 40 ms."""
    with listen(address, 0) as listener, socket.create_connection(listener.getsockname()[:2]):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("path", ["/mcp", "/mcp/", "/mcp//"])
def test_a_slash_at_the_end_of_the_address_does_not_matter(served: Served, path: str) -> None:
    begun = post(served, INITIALIZE, path=path)
    assert begun.status == 200
    assert (
        post(served, PING, path=path, Mcp_Session_Id=begun.headers["mcp-session-id"]).message["result"] == {}
    )


@pytest.mark.parametrize("headers", [{}, {"Accept": STREAM}, {"Accept": "*/*"}])
def test_a_stream_that_cannot_be_resumed_is_begun_anew(
    served: Served, session: str, headers: Headers
) -> None:
    for _ in range(2):
        reply = ask(served, "GET", headers={**headers, "Mcp-Session-Id": session, "Last-Event-ID": "7"})
        assert (reply.status, reply.kind) == (200, STREAM)
    assert post(served, PING, Mcp_Session_Id=session).message["result"] == {}


@pytest.mark.parametrize("stale", ["stale", "0" * 32, "ä", "x" * 5000])
def test_initialize_begins_a_session_whatever_is_left_of_an_earlier_one(served: Served, stale: str) -> None:
    begun = post(served, INITIALIZE, Mcp_Session_Id=stale)
    assert begun.status == 200
    session = begun.headers["mcp-session-id"]
    assert session != stale
    assert post(served, PING, Mcp_Session_Id=session).message["result"] == {}


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_a_session_that_is_over_is_not_found_and_initialize_is_advised(served: Served, method: str) -> None:
    session = begin(served)
    assert ask(served, "DELETE", headers={"Mcp-Session-Id": session}).status == 200
    for ended in (session, "stale"):
        headers = {**POSTED, "Mcp-Session-Id": ended}
        reply = ask(served, method, headers=headers, body=PING if method == "POST" else None)
        assert (reply.status, reply.message["id"]) == (404, None)
        assert "Next: Send initialize" in reply.error


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_a_request_without_a_session_is_told_of_initialize_and_no_session(
    served: Served, method: str
) -> None:
    reply = ask(served, method, headers=POSTED, body=PING if method == "POST" else None)
    assert reply.status == 400
    assert "initialize comes first" in reply.error
    assert "mcp-session-id" not in reply.headers


@pytest.mark.parametrize(
    "accept",
    ["*/*", "", f"{JSON};q=0.9, {STREAM};q=0.1", "APPLICATION/JSON, Text/Event-Stream", "text/*, */*"],
)
def test_every_way_to_accept_both_kinds_of_answer_is_understood(
    served: Served, session: str, accept: str
) -> None:
    assert post(served, PING, Mcp_Session_Id=session, Accept=accept).message["result"] == {}
    assert modern(served, "server/discover", Accept=accept).message["result"]


@pytest.mark.parametrize("accept", [JSON, "application/*", "Application/JSON;q=0.5, text/html"])
def test_who_takes_json_alone_gets_the_answer_without_its_progress(
    served: Served, session: str, accept: str
) -> None:
    params = {"name": "generate_image", "arguments": DRAW, "_meta": {"progressToken": "p"}}
    call = {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": params}
    drawn = post(served, call, Mcp_Session_Id=session, Accept=accept)
    listed = modern(served, "tools/list", Accept=accept)
    assert (drawn.kind, listed.kind) == (JSON, JSON)
    assert json.loads(drawn.text)["result"]["structuredContent"]["prompt"] == DRAW["prompt"]
    assert json.loads(listed.text)["result"]["tools"]


@pytest.mark.parametrize("accept", ["text/html", "image/png", STREAM])
def test_who_takes_neither_is_told_what_to_accept(served: Served, session: str, accept: str) -> None:
    for reply in (
        post(served, PING, Mcp_Session_Id=session, Accept=accept),
        modern(served, "server/discover", Accept=accept),
    ):
        assert reply.status == 406
        assert f"Next: Send Accept: {JSON}, {STREAM}." in reply.error


@pytest.mark.parametrize("kind", [f"{JSON}; charset=utf-8", f"{JSON};charset=UTF-8", "Application/JSON"])
def test_json_is_json_with_a_charset_and_in_capitals(served: Served, session: str, kind: str) -> None:
    assert post(served, PING, Mcp_Session_Id=session, Content_Type=kind).message["result"] == {}
    assert modern(served, "server/discover", Content_Type=kind).message["result"]


@pytest.mark.parametrize("kind", ["", "text/plain", "text/json", "application/x-www-form-urlencoded"])
def test_another_content_type_is_refused_with_the_right_one(served: Served, session: str, kind: str) -> None:
    for reply in (
        post(served, PING, Mcp_Session_Id=session, Content_Type=kind),
        modern(served, "server/discover", Content_Type=kind),
    ):
        assert reply.status == 415
        assert f"Next: Send Content-Type: {JSON}." in reply.error


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:6274",
        "http://127.0.0.1",
        "https://host.docker.internal:9",
        "http://a.pictures.example",
    ],
)
@pytest.mark.parametrize("path", ["/mcp", "/mcp/", "/health"])
def test_pages_of_allowed_hosts_may_call_and_read_the_session(served: Served, origin: str, path: str) -> None:
    wishes = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, mcp-session-id, mcp-protocol-version, mcp-param-x",
    }
    before = ask(served, "OPTIONS", path, headers={"Origin": origin, **wishes})
    assert before.status == 200
    assert before.headers["access-control-allow-origin"] == origin
    assert "POST" in before.headers["access-control-allow-methods"]
    assert "mcp-session-id" in before.headers["access-control-allow-headers"]
    for stale, status in (("", 200), ("stale", 404)):
        message = PING if stale else INITIALIZE
        reply = post(served, message, Origin=origin, Mcp_Session_Id=stale)
        assert reply.status == status
        assert reply.headers["access-control-allow-origin"] == origin
        assert "mcp-session-id" in reply.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://localhost.evil.example",
        "http://pictures.example.evil.example",
        "http://host-docker.internal",
    ],
)
def test_pages_of_other_hosts_are_refused_and_the_setting_is_named(served: Served, origin: str) -> None:
    preflight = ask(served, "OPTIONS", headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
    for reply in (preflight, post(served, INITIALIZE, Origin=origin)):
        assert reply.status == 403
        assert "GPT_IMAGE_ALLOWED_HOSTS" in reply.error
        assert origin in reply.error
        assert "access-control-allow-origin" not in reply.headers


@pytest.mark.parametrize(
    "host",
    ["host.docker.internal", "host.docker.internal:8000", "HOST.docker.internal:1", "a.pictures.example"],
)
def test_the_hosts_of_the_setting_are_answered_whatever_the_port(served: Served, host: str) -> None:
    assert post(served, INITIALIZE, Host=host).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "pictures.example", "docker.internal", "localhost.evil.example"]
)
@pytest.mark.parametrize("path", ["/mcp", "/health", "/elsewhere"])
def test_another_host_is_refused_and_the_setting_is_named(served: Served, host: str, path: str) -> None:
    reply = post(served, INITIALIZE, path=path, Host=host)
    assert reply.status == 421
    assert "GPT_IMAGE_ALLOWED_HOSTS" in reply.error
    assert host in reply.error


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1@evil.example",
        "127.0.0.1:1@evil.example",
        "127.0.0.1:evil",
        "localhost:",
        "[::1]evil.example",
    ],
)
def test_a_host_that_only_begins_like_one_of_ours_is_refused(served: Served, host: str) -> None:
    for path in ("/mcp", "/health"):
        assert post(served, INITIALIZE, path=path, Host=host).status == 421


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("era", [{}, {"MCP-Protocol-Version": "2026-07-28"}])
def test_methods_that_mcp_does_not_have_are_refused_with_those_that_it_has(
    served: Served, method: str, era: Headers
) -> None:
    reply = ask(served, method, headers={**POSTED, **era})
    assert reply.status == 405
    assert "POST" in reply.headers["allow"]
    assert method == "HEAD" or "Next: Send JSON-RPC messages to /mcp with POST." in reply.error


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_the_protocol_without_sessions_has_only_post(served: Served, method: str) -> None:
    reply = ask(served, method, headers={**POSTED, "MCP-Protocol-Version": "2026-07-28"})
    assert (reply.status, reply.headers["allow"]) == (405, "POST")
    assert "with POST" in reply.error


@pytest.mark.parametrize(
    "path", ["/", "/sse", "/messages", "/mcp/x", "/.well-known/oauth-protected-resource"]
)
def test_an_address_without_anything_names_that_of_mcp(served: Served, path: str) -> None:
    reply = post(served, INITIALIZE, path=path)
    assert reply.status == 404
    assert "/mcp" in reply.error


@pytest.mark.parametrize("bad", [b"", b" ", b"{not json", b'{"a": ', b"\xff\xfe", b"[" * 5000, b"a=b&c=d"])
def test_a_body_that_is_no_json_is_refused_as_that(served: Served, session: str, bad: bytes) -> None:
    for headers in ({"Mcp_Session_Id": session}, {"MCP_Protocol_Version": "2026-07-28"}, {}):
        reply = post(served, bad, **headers)
        assert (reply.status, reply.message["error"]["code"], reply.message["id"]) == (400, -32700, None)
        assert "Next: Send one JSON-RPC 2.0 message as JSON." in reply.error
    assert post(served, PING, Mcp_Session_Id=session).message["result"] == {}


@pytest.mark.parametrize(
    "bad",
    [
        [PING, PING],
        [INITIALIZE],
        [],
        5,
        "ping",
        {},
        {"id": 4, "method": "ping"},
        {**PING, "jsonrpc": "1.0"},
        {**PING, "id": None},
        {**PING, "id": {}},
        {**PING, "id": 1.5},
        {**PING, "id": True},
    ],
)
def test_json_that_is_no_message_is_refused_with_the_reason(served: Served, session: str, bad: Any) -> None:
    for headers in ({"Mcp_Session_Id": session}, {"MCP_Protocol_Version": "2026-07-28"}):
        reply = post(served, bad, **headers)
        assert (reply.status, reply.message["error"]["code"]) == (400, -32600)
        assert "JSON-RPC" in reply.error.partition(" Next: ")[0]
        assert "Next: Send one JSON-RPC 2.0 message" in reply.error


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_json_in_another_unicode_encoding_is_read(served: Served, session: str, encoding: str) -> None:
    assert post(served, json.dumps(PING).encode(encoding), Mcp_Session_Id=session).message["result"] == {}
    assert post(served, json.dumps(INITIALIZE).encode(encoding), Mcp_Session_Id="stale").status == 200


@pytest.mark.parametrize("text", [r"\ud800", r"a \udc00 boat", r"\ud83d\ud83d\ude00", "\u2028 \u0085"])
def test_a_call_with_half_of_a_character_is_answered(served: Served, session: str, text: str) -> None:
    params = {"name": "find_images", "arguments": {"query": "QUERY"}}
    body = json.dumps({"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": params})
    reply = post(served, body.replace("QUERY", text).encode(), Mcp_Session_Id=session)
    assert reply.message["id"] == 4
    assert "images" in reply.message["result"]["structuredContent"]


@pytest.mark.parametrize("depth", [150, 250, 900, 990, 1100, 100_000])
def test_deep_nesting_is_read_or_refused(served: Served, session: str, depth: int) -> None:
    body = json.dumps({**PING, "params": {"a": "DEEP"}}).replace('"DEEP"', "[" * depth + "]" * depth)
    reply = post(served, body.encode(), Mcp_Session_Id=session)
    assert (reply.status, "result" in reply.message) in {(200, True), (400, False)}


def test_a_second_stream_of_a_session_is_refused_while_the_first_is_open(
    served: Served, session: str
) -> None:
    host, port = served.root.removeprefix("http://").rsplit(":", 1)
    first = http.client.HTTPConnection(host, int(port), timeout=START_SECONDS)
    first.request("GET", "/mcp", headers={"Accept": STREAM, "Mcp-Session-Id": session})
    assert first.getresponse().status == 200
    second = ask(served, "GET", headers={"Accept": STREAM, "Mcp-Session-Id": session})
    first.close()
    assert second.status == 409
    assert "Next: Read the stream that is open" in second.error


def test_a_body_beyond_every_use_is_refused_before_it_is_sent(served: Served) -> None:
    reply = ask(served, "POST", headers={**POSTED, "Content-Length": str(MAX_BODY_BYTES + 1)})
    assert reply.status == 413
    assert "75,000,000 bytes" in reply.error


def test_a_call_of_more_than_four_mebibytes_is_taken(served: Served, session: str) -> None:
    params = {"name": "find_images", "arguments": {"query": "x" * 5_000_000}}
    call = {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params}
    assert post(served, call, Mcp_Session_Id=session).message["id"] == 5
    assert modern(served, "tools/call", params).message["id"] == 7


def test_a_request_named_by_megabytes_is_not_worked_on(served: Served, session: str) -> None:
    reply = post(served, {**PING, "id": "x" * 5_000_000}, Mcp_Session_Id=session)
    assert "5,000,004 characters; 100,000 are read" in reply.error


def test_errors_that_answer_a_request_stay_as_they_are(served: Served, session: str) -> None:
    unknown = {**PING, "method": "no/such"}
    assert post(served, unknown, Mcp_Session_Id=session).message["error"]["code"] == -32601
    reply = modern(served, "no/such")
    assert (reply.status, reply.message["error"]["code"]) == (404, -32601)
    assert "Next: " not in reply.error


def test_sessions_that_nobody_ends_are_bounded_and_one_that_ends_makes_room(tmp_path: Path) -> None:
    with serve(tmp_path) as running:
        begun = [post(running, INITIALIZE) for _ in range(1_001)]
        refused = begun.pop()
        assert {reply.status for reply in begun} == {200}
        assert refused.status == 503
        assert "Too many open sessions. Next: " in refused.message["error"]["message"]
        session = begun[0].headers["mcp-session-id"]
        ask(running, "DELETE", headers={"Mcp-Session-Id": session})
        assert post(running, INITIALIZE).status == 200
