"""Fetching from the web: what arrives, what is refused, and that the guard cannot be led around."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.downloads import Fetcher, is_local_name, is_public
from gpt_image_mcp.errors import ImageError, InputNotFound, InputRejected
from tests.web import answer, pretend, redirect, serve

if TYPE_CHECKING:
    from gpt_image_mcp.downloads import Address
    from tests.web import Script

BODY = bytes(range(256)) * 40
LIMIT = 100_000
OPEN = Fetcher(LIMIT, allow_private=True)
GUARDED = Fetcher(LIMIT)
# Addresses of the open internet that no test reaches.
PUBLIC, OTHER = "93.184.216.34", "151.101.1.69"
PUBLIC_6 = "2606:2800:220:1:248:1893:25c8:1946"

NOT_PUBLIC_4 = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
    *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
    *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32"),
)
NOT_PUBLIC_6 = (
    *("::/127", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "2001:db8::/32", "2001::/32"),
    *("64:ff9b:1::/48", "100::/64", "fd00:ec2::254/128", "::ffff:0:0:0/96"),
)
# A little of what is in use on the open internet.
PUBLIC_4 = ("1.1.1.0/24", "8.8.8.0/24", "93.184.216.0/24", "151.101.0.0/16", "172.217.0.0/16")
# The IPv6 addresses that stand for an IPv4 one: mapped, compatible, NAT64, 6to4.
CARRIERS = ("::ffff:{}", "::{}", "64:ff9b::{}", "2002:{hex}::1")


def _within(*networks: str) -> st.SearchStrategy[Address]:
    """Addresses of any of these networks."""
    return st.sampled_from(networks).flatmap(lambda network: st.ip_addresses(network=network))


def _carried(form: str, address: Address) -> ipaddress.IPv6Address:
    groups = f"{int(address) >> 16:x}:{int(address) & 0xFFFF:x}"
    return ipaddress.IPv6Address(form.format(address, hex=groups))


async def _refused(fetcher: Fetcher, url: str) -> ImageError:
    with pytest.raises(ImageError) as caught:
        await fetcher.fetch(url)
    assert caught.value.next_step
    return caught.value


@given(_within(*NOT_PUBLIC_4, *NOT_PUBLIC_6))
def test_no_address_of_a_closed_network_is_public(address: Address) -> None:
    assert not is_public(address)


@given(st.sampled_from(CARRIERS), _within(*NOT_PUBLIC_4))
def test_an_ipv6_address_that_carries_a_private_one_is_not_public(form: str, address: Address) -> None:
    assert not is_public(_carried(form, address))


@given(_within(*PUBLIC_4, "2606:2800::/32", "2a00:1450::/32", "2620:0:2d0::/48"))
def test_addresses_in_common_use_are_public(address: Address) -> None:
    assert is_public(address)


@given(st.sampled_from(["::ffff:{}", "64:ff9b::{}", "2002:{hex}::1"]), _within(*PUBLIC_4))
def test_an_ipv6_address_that_carries_a_public_one_is_public(form: str, address: Address) -> None:
    assert is_public(_carried(form, address))


@pytest.mark.parametrize(
    ("host", "local"),
    [
        *(("localhost", True), ("a.localhost", True), ("printer.local", True), ("db.internal", True)),
        *(("metadata", True), ("metadata.google.internal", True), ("nas.home.arpa", True)),
        *(("example.com", False), ("localhost.example.com", False), ("notlocalhost", False)),
    ],
)
def test_local_names_are_told_from_those_of_the_internet(host: str, *, local: bool) -> None:
    assert is_local_name(host) is local


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "localhost.", "LOCALHOST", "a.localhost", "localhost..", "127.1", "0"),
        *("2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "017700000001", "127.0.0.1.", "0.0"),
        *("10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "2852039166", "100.100.100.200"),
        *("168.63.129.16", "192.0.0.192", "224.0.0.1", "255.255.255.255", "metadata.google.internal"),
        *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[fe80::1]"),
        *("[fd00:ec2::254]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[ff02::1]", "[::ffff:a9fe:a9fe]"),
        *("[2001:0:1::1]", "[fec0::1]", "[fe80::1%25eth0]", "metadata.google.internal.", "①②⑦.0.0.1"),
    ],
)
async def test_a_host_that_is_not_of_the_internet_is_refused_unasked(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    internet = pretend(monkeypatch, {}, {})
    error = await _refused(GUARDED, f"http://{host}/latest/meta-data")
    assert internet.connections == []
    assert isinstance(error, InputRejected | InputNotFound)


async def test_the_refusal_of_a_private_address_names_the_setting() -> None:
    error = await _refused(GUARDED, "http://127.0.0.1:9/a.png?token=secret")
    assert isinstance(error, InputRejected)
    assert "127.0.0.1" in error.message
    assert "secret" not in str(error)
    assert "GPT_IMAGE_ALLOW_PRIVATE_URLS" in error.next_step


@pytest.mark.parametrize(
    "addresses", [["10.0.0.1"], [PUBLIC, "127.0.0.1"], ["::ffff:10.0.0.1"], [PUBLIC_6, "fe80::1"]]
)
async def test_a_name_with_any_address_that_is_not_public_is_refused(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    internet = pretend(monkeypatch, {"images.example": [addresses]}, {})
    error = await _refused(GUARDED, "http://images.example/a.png")
    assert isinstance(error, InputRejected)
    assert not error.retryable
    assert internet.connections == []


async def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve({"/a.png?b=1": answer(BODY)}) as web:
        names = {"images.example": [[PUBLIC], ["127.0.0.1"]]}
        internet = pretend(monkeypatch, names, {PUBLIC: web.port})
        assert await GUARDED.fetch("http://images.example:8080/a.png?b=1#part") == BODY
    assert internet.lookups == ["images.example"]
    assert internet.connections == [PUBLIC]
    assert "\r\nHost: images.example:8080\r\n" in web.heads[0]


@pytest.mark.parametrize(
    "target",
    [
        *("http://127.0.0.1/", "//localhost/", "http://inside.example/", "http://[::1]/"),
        *("http://2130706433/", "http://169.254.169.254/latest/"),
    ],
)
async def test_a_redirect_into_a_closed_network_is_refused(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve({"/a.png": redirect(target)}) as web:
        names = {"images.example": [[PUBLIC]], "inside.example": [["10.1.2.3"]]}
        internet = pretend(monkeypatch, names, {PUBLIC: web.port})
        error = await _refused(GUARDED, "http://images.example/a.png")
    assert isinstance(error, InputRejected)
    assert not error.retryable
    assert internet.connections == [PUBLIC]


async def test_a_name_that_turns_private_between_two_redirects_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serve({"/a.png": redirect("/b.png")}) as web:
        names = {"images.example": [[PUBLIC], ["192.168.0.7"]]}
        internet = pretend(monkeypatch, names, {PUBLIC: web.port})
        error = await _refused(GUARDED, "http://images.example/a.png")
    assert "192.168.0.7" in error.message
    assert internet.connections == [PUBLIC]


async def test_a_redirect_to_another_public_host_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {"/a": redirect("http://cdn.example/b"), "/b": answer(BODY)}
    async with serve(pages) as web:
        names = {"images.example": [[PUBLIC]], "cdn.example": [[OTHER]]}
        internet = pretend(monkeypatch, names, {PUBLIC: web.port, OTHER: web.port})
        assert await GUARDED.fetch("http://images.example/a") == BODY
    assert internet.connections == [PUBLIC, OTHER]
    assert "\r\nHost: cdn.example\r\n" in web.heads[1]


async def test_a_host_whose_first_address_is_out_of_reach_is_fetched_from_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serve({"/a.png": answer(BODY)}) as web:
        names = {"images.example": [[PUBLIC_6, OTHER, PUBLIC]]}
        internet = pretend(monkeypatch, names, {PUBLIC: web.port})
        assert await GUARDED.fetch("http://images.example/a.png") == BODY
    assert internet.connections == [PUBLIC_6, OTHER, PUBLIC]


async def test_an_international_name_is_looked_up_in_its_ascii_form(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve({"/": answer(BODY)}) as web:
        internet = pretend(monkeypatch, {"xn--bcher-kva.example": [[PUBLIC]]}, {PUBLIC: web.port})
        assert await GUARDED.fetch("http://bücher.example/") == BODY
    assert internet.lookups == ["xn--bcher-kva.example"]


@pytest.mark.parametrize("host", ["images.example", "images.example.", "xn--bcher-kva.example"])
async def test_a_certificate_is_asked_for_by_name_and_not_for_the_address(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hellos: list[bytes] = []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hellos.append(await reader.read(10_000))
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        pretend(monkeypatch, {host: [[PUBLIC]]}, {PUBLIC: server.sockets[0].getsockname()[1]})
        error = await _refused(GUARDED, f"https://{host}/a.png")
    assert isinstance(error, InputRejected)
    assert error.retryable
    # The name in the greeting, with its length in front and without a dot at its end.
    name = host.rstrip(".").encode()
    assert len(name).to_bytes(2, "big") + name in hellos[0]
    assert name + b"." not in hellos[0]


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve({"/": answer(BODY)}) as web, serve({}) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url())
        monkeypatch.setenv("ALL_PROXY", proxy.url())
        assert await OPEN.fetch(web.url()) == BODY
    assert proxy.heads == []


async def test_a_private_address_is_fetched_where_that_is_allowed() -> None:
    async with serve({"/a.png": answer(BODY)}) as web:
        assert await OPEN.fetch(web.url("/a.png")) == BODY
        assert await OPEN.fetch(f"http://localhost:{web.port}/a.png") == BODY


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        *(("404 Not Found", InputNotFound, False), ("410 Gone", InputNotFound, False)),
        *(("403 Forbidden", InputRejected, False), ("304 Not Modified", InputRejected, False)),
        *(("429 Too Many Requests", InputRejected, True), ("503 Unavailable", InputRejected, True)),
    ],
)
async def test_an_answer_without_an_image_is_an_error_with_its_status(
    status: str, kind: type[ImageError], *, retryable: bool
) -> None:
    async with serve({"/": answer(status=status)}) as web:
        error = await _refused(OPEN, web.url())
    assert type(error) is kind
    assert status[:3] in error.message
    assert error.retryable is retryable


async def test_redirects_without_end_are_refused() -> None:
    async with serve({"/": redirect("/")}) as web:
        error = await _refused(OPEN, web.url())
    assert isinstance(error, InputRejected)
    assert not error.retryable
    assert len(web.heads) == 6


@pytest.mark.parametrize(
    "target", ["ftp://example.com/a.png", "file:///etc/passwd", "http://①②/", "http://user:pw@example.com/"]
)
async def test_a_redirect_to_what_is_no_web_address_is_refused(target: str) -> None:
    async with serve({"/": redirect(target)}) as web:
        error = await _refused(OPEN, web.url())
    assert isinstance(error, InputRejected)


@pytest.mark.parametrize(
    "url",
    [
        *("http://", "http:///a.png", "ftp://example.com/a.png", "example.com/a.png", "http://ex\ud800/"),
        *("http://example.com:99999/", "http://user:pw@example.com/", "http://a\n/", "http://[/", ""),
    ],
)
async def test_what_is_no_web_address_is_refused(url: str) -> None:
    error = await _refused(GUARDED, url)
    assert isinstance(error, InputRejected | InputNotFound)
    assert "pw" not in error.message


@given(st.text(max_size=60))
def test_any_text_that_is_no_address_is_refused_with_a_next_step(text: str) -> None:
    asyncio.run(_refused(GUARDED, f"gopher://{text}"))
    asyncio.run(_refused(GUARDED, f"http://127.0.0.1:99999/{text}"))


@pytest.mark.parametrize("host", ["nowhere.invalid", "a b", f"{'a' * 70}.example", "a..b"])
async def test_a_host_that_is_not_found_is_input_not_found(host: str) -> None:
    assert isinstance(await _refused(GUARDED, f"http://{host}/a.png"), InputNotFound)


async def test_a_server_that_does_not_listen_is_an_error_that_may_pass() -> None:
    async with serve({}) as web:
        pass
    error = await _refused(OPEN, web.url())
    assert isinstance(error, InputRejected)
    assert error.retryable


async def test_a_body_over_the_limit_is_cut_off_whatever_its_length_says() -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n")
        while True:
            writer.write(b"x" * 10_000)
            await writer.drain()

    pages: dict[str, Script] = {
        "/endless": endless,
        "/claims-less": answer(BODY, length=10),
        "/exact": answer(b"x" * LIMIT),
    }
    async with serve(pages) as web:
        error = await _refused(OPEN, web.url("/endless"))
        assert await OPEN.fetch(web.url("/claims-less")) == BODY[:10]
        assert len(await OPEN.fetch(web.url("/exact"))) == LIMIT
    assert "0.1 MB" in error.message


async def test_a_body_shorter_than_its_claimed_length_is_refused() -> None:
    async with serve({"/": answer(BODY, length=len(BODY) + 1)}) as web:
        error = await _refused(OPEN, web.url())
    assert isinstance(error, InputRejected)
    assert error.retryable


async def test_a_body_that_drips_is_given_up_and_may_be_tried_again() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(answer(length=1000))
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with serve({"/": drip}) as web:
        error = await _refused(Fetcher(LIMIT, allow_private=True, timeout_seconds=0.2), web.url())
    assert "0.2 s" in error.message
    assert error.retryable


async def test_a_server_that_never_answers_is_given_up() -> None:
    async def silent(_: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with serve({"/": silent, "/on": redirect("/")}) as web:
        error = await _refused(Fetcher(LIMIT, allow_private=True, timeout_seconds=0.2), web.url("/on"))
    assert "0.2 s" in error.message


async def test_an_answer_that_is_not_http_is_refused() -> None:
    async with serve({"/": b"SSH-2.0-OpenSSH_9.6\r\n\r\n"}) as web:
        error = await _refused(OPEN, web.url())
    assert isinstance(error, InputRejected)
    assert error.retryable


async def test_others_have_their_turn_between_the_pieces_of_a_body_however_many_come_at_once() -> None:
    pieces, has_come = 5_000, asyncio.Event()

    async def crumble(writer: asyncio.StreamWriter) -> None:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head + b"1\r\nx\r\n" * pieces + b"0\r\n\r\n")
        has_come.set()

    async with serve({"/": crumble}) as web:
        fetching = asyncio.create_task(OPEN.fetch(web.url()))
        await has_come.wait()
        turns = 0
        while not fetching.done():
            await asyncio.sleep(0)
            turns += 1
        assert await fetching == b"x" * pieces
    assert turns >= pieces


@pytest.mark.parametrize(
    ("coding", "packed"),
    [("gzip", gzip.compress(BODY)), ("x-gzip", gzip.compress(BODY)), ("deflate", zlib.compress(BODY))],
)
async def test_a_body_that_was_compressed_unasked_is_unpacked(coding: str, packed: bytes) -> None:
    async with serve({"/": answer(packed, Content_Encoding=coding)}) as web:
        assert await OPEN.fetch(web.url()) == BODY
    assert "\r\nAccept-Encoding: identity\r\n" in web.heads[0]


@pytest.mark.parametrize(
    ("coding", "packed", "named"),
    [
        ("gzip", gzip.compress(bytes(50_000_000)), "0.1 MB"),
        ("gzip", b"not gzip at all", "http://127.0.0.1"),
        ("br", BODY, "'br'"),
        ("gzip, gzip", gzip.compress(gzip.compress(BODY)), "'gzip, gzip'"),
    ],
)
async def test_a_compressed_bomb_or_nonsense_is_refused(coding: str, packed: bytes, named: str) -> None:
    async with serve({"/": answer(packed, Content_Encoding=coding)}) as web:
        error = await _refused(OPEN, web.url())
    assert isinstance(error, InputRejected)
    assert named in error.message


async def test_a_compressed_bomb_is_not_unpacked_into_memory() -> None:
    async with serve({"/": answer(gzip.compress(bytes(50_000_000)), Content_Encoding="gzip")}) as web:
        tracemalloc.start()
        await _refused(OPEN, web.url())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 25_000_000
