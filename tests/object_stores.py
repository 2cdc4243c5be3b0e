"""An S3 server on loopback, and a door before it that can be told to fail."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import logging
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import TYPE_CHECKING, Any

from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from collections.abc import Generator

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "hidden-in-tests"}
_HOST = "127.0.0.1"
_NUMBERS = itertools.count(1)


@dataclass(slots=True)
class Bucket:
    """A bucket of its own for a test, behind the door.

    Attributes:
        fault: What the door answers instead of the store: a status; 0 for no answer at all, until it is set
            to None again.
        methods: Which methods that is for; empty for all.
        failures: How many requests are answered like that; then the store answers again.
        requests: What was asked for, method and path each.
    """

    name: str
    client: Any = field(repr=False)
    endpoint: str = ""
    fault: int | None = None
    methods: frozenset[str] = frozenset()
    failures: float = float("inf")
    requests: list[str] = field(default_factory=list[str])
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        """What ``GPT_IMAGE_STORAGE`` is set to."""
        return f"s3://{self.name}/library"

    @property
    def environment(self) -> dict[str, str]:
        """The usual variables of the store."""
        return {
            **CREDENTIALS,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
        }

    def contents(self) -> list[str]:
        """The keys of all objects, without those of probes."""
        found = self.client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return [entry["Key"] for entry in found if "/.probes/" not in entry["Key"]]

    def read(self, key: str) -> bytes:
        """An object, past the door."""
        data: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return data

    def write(self, key: str, data: bytes) -> None:
        """Writes an object behind everybody's back."""
        self.client.put_object(Bucket=self.name, Key=key, Body=data)

    def delete(self, key: str) -> None:
        """Deletes an object behind everybody's back."""
        self.client.delete_object(Bucket=self.name, Key=key)

    def fail(self, status: int, *methods: str, times: float = float("inf")) -> None:
        """Has the door answer with a status from now on."""
        self.methods, self.failures, self.fault = frozenset(methods), times, status

    def work(self) -> None:
        """Has the store answer again."""
        self.fault = None
        self.released.set()


@contextlib.contextmanager
def s3_server() -> Generator[str]:
    """An S3 server; gives its address."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address=_HOST, port=0, verbose=False)
    server.start()
    try:
        yield f"http://{_HOST}:{server.get_host_and_port()[1]}"
    finally:
        server.stop()


@contextlib.contextmanager
def bucket_on(server: str) -> Generator[Bucket]:
    """A new bucket of a server, and a door before it."""
    keys = {"aws_access_key_id": "tests", "aws_secret_access_key": "hidden-in-tests"}
    boto3: Any = import_module("boto3")  # it has no types
    client: Any = boto3.client("s3", endpoint_url=server, region_name="us-east-1", **keys)
    made = Bucket(f"pictures-{next(_NUMBERS)}", client)
    client.create_bucket(Bucket=made.name)
    upstream = server.removeprefix("http://")
    door = ThreadingHTTPServer((_HOST, 0), type("Door", (_Door,), {"bucket": made, "upstream": upstream}))
    door.daemon_threads = True
    thread = threading.Thread(target=door.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    made.endpoint = f"http://{_HOST}:{door.server_address[1]}"
    try:
        yield made
    finally:
        made.released.set()
        door.shutdown()
        thread.join()
        door.server_close()


class _Door(BaseHTTPRequestHandler):
    """Hands requests on, or fails them."""

    protocol_version = "HTTP/1.1"
    bucket: Bucket
    upstream: str

    def _answer(self) -> None:
        bucket, body = self.bucket, self.rfile.read(int(self.headers.get("Content-Length", 0)))
        bucket.requests.append(f"{self.command} {self.path}")
        is_faulty = bucket.fault is not None and (not bucket.methods or self.command in bucket.methods)
        if is_faulty and bucket.failures > 0:
            bucket.failures -= 1
            if bucket.fault == 0:
                bucket.released.wait()
                self.close_connection = True
            else:
                self._reply(bucket.fault or 0, {}, b"<Error><Code>InternalError</Code></Error>")
            return
        connection = http.client.HTTPConnection(self.upstream)
        connection.request(self.command, self.path, body, dict(self.headers.items()))
        answer = connection.getresponse()
        self._reply(answer.status, dict(answer.headers.items()), answer.read())
        connection.close()

    def _reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        dropped = {"connection", "transfer-encoding", "date", "server"}
        length = headers.pop("Content-Length", str(len(body))) if self.command == "HEAD" else str(len(body))
        for name, value in headers.items():
            if name.lower() not in {*dropped, "content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Says nothing."""

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _answer  # noqa: N815 - the names of the base class
