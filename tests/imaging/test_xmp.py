"""Metadata inside image files: read back, seen by other programs, and never at the cost of a pixel."""

from __future__ import annotations

import contextlib
import io
import re
import struct
import zlib
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gpt_image_mcp.imaging.containers import jpeg, png, webp
from gpt_image_mcp.imaging.xmp import EmbeddedMetadata, embed, has_c2pa, metadata_of, read_embedded
from gpt_image_mcp.money import Cost
from gpt_image_mcp.values.images import Applied, Provenance, Requested

if TYPE_CHECKING:
    from collections.abc import Callable

ORIGIN = EmbeddedMetadata(
    id="20261121-150301-a1b2c3",
    created_at=datetime(2026, 11, 21, 15, 3, 1, tzinfo=UTC),
    kind="edit",
    prompt='ein Boot "im" Nebel 🚣 & <b>',
    model="gpt-image-2",
    requested=Requested(size="16:9"),
    applied=Applied(size="37x23", quality="low", background="opaque", output_format="png"),
    cost=Cost(usd=Decimal("0.0123"), basis="usage"),
    parents=("20261120-150301-ffffff",),
    session_id="session-20261120-150301-ffffff",
    turn=2,
)
EXIF_ARTIST = 0x013B
LONGEST_PROMPT = 32_000


def _noise(mode: str = "RGB", size: tuple[int, int] = (37, 23)) -> Image.Image:
    bands = [Image.effect_noise(size, 90 + 10 * number) for number in range(len(mode))]
    return Image.merge(mode, bands) if len(mode) > 1 else bands[0]


def _file(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[EXIF_ARTIST] = "somebody"
    return exif


FILES = {
    "png": _file(_noise(), "PNG"),
    "png with transparency": _file(_noise("RGBA"), "PNG"),
    "png with a palette": _file(_noise().convert("P"), "PNG"),
    "jpeg": _file(_noise(), "JPEG"),
    "jpeg in grey, progressive": _file(_noise("L"), "JPEG", progressive=True),
    "jpeg with camera data": _file(_noise(), "JPEG", exif=_exif()),
    "webp": _file(_noise(), "WEBP"),
    "webp of even size": _file(_noise(size=(40, 30)), "WEBP"),
    "webp without loss": _file(_noise(), "WEBP", lossless=True),
    "webp without loss, transparent": _file(_noise("RGBA"), "WEBP", lossless=True),
    "webp with transparency": _file(_noise("RGBA"), "WEBP"),
    "webp with camera data": _file(_noise(), "WEBP", exif=_exif()),
}
PLAIN = {kind: FILES[kind] for kind in ("png", "jpeg", "webp")}


def _embedded(data: bytes, origin: EmbeddedMetadata = ORIGIN) -> bytes:
    made = embed(data, origin)
    assert made is not None
    return made


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _behind_png_header(data: bytes, chunk: bytes) -> bytes:
    return data[:33] + chunk + data[33:]


def _signed_png(data: bytes) -> bytes:
    return _behind_png_header(data, _png_chunk(b"caBX", b"\0\0\0\x20jumbjumdc2pa"))


def _signed_jpeg(data: bytes) -> bytes:
    body = b"JP\0\1\0\0\0\1\0\0\0\x20jumb\0\0\0\x18jumdc2pa\0"
    return data[:2] + b"\xff\xeb" + struct.pack(">H", len(body) + 2) + body + data[2:]


def _signed_webp(data: bytes) -> bytes:
    body = data[8:] + b"C2PA" + struct.pack("<I", 4) + b"jumb"
    return b"RIFF" + struct.pack("<I", len(body)) + body


SIGNED: dict[str, Callable[[bytes], bytes]] = {
    "png": _signed_png,
    "jpeg": _signed_jpeg,
    "webp": _signed_webp,
}


@pytest.mark.parametrize("kind", FILES)
def test_what_was_written_is_read_back_and_no_pixel_changes(kind: str) -> None:
    made = _embedded(FILES[kind])
    assert read_embedded(made) == ORIGIN
    assert read_embedded(FILES[kind]) is None
    with Image.open(io.BytesIO(made)) as after, Image.open(io.BytesIO(FILES[kind])) as before:
        assert (after.mode, after.size, after.format) == (before.mode, before.size, before.format)
        assert after.getexif() == before.getexif()
        assert after.tobytes() == before.tobytes()


@pytest.mark.parametrize("kind", [kind for kind in FILES if not kind.startswith("webp")])
def test_the_file_is_the_same_but_for_one_insertion(kind: str) -> None:
    before, after = FILES[kind], _embedded(FILES[kind])
    start = next(place for place, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1])
    assert after.endswith(before[start:])


@pytest.mark.parametrize("kind", FILES)
def test_other_programs_find_the_prompt_and_that_the_picture_is_synthetic(kind: str) -> None:
    with Image.open(io.BytesIO(_embedded(FILES[kind]))) as image:
        image.load()
        packet = image.info["xmp"]
    tree = ET.fromstring(re.sub(rb"<\?xpacket.*?\?>", b"", packet))  # noqa: S314 - written by ourselves
    texts = [element.text for element in tree.iter() if element.text]
    assert ORIGIN.prompt in texts
    assert "gpt-image-mcp (gpt-image-2)" in texts
    assert any(text.endswith("/compositeWithTrainedAlgorithmicMedia") for text in texts)


def test_the_checksums_of_a_png_are_right() -> None:
    with Image.open(io.BytesIO(_embedded(FILES["png"]))) as image:
        image.verify()


@pytest.mark.parametrize(
    ("kind", "size", "has_alpha"),
    [
        ("webp", (37, 23), False),
        ("webp of even size", (40, 30), False),
        ("webp without loss", (37, 23), False),
        ("webp without loss, transparent", (37, 23), True),
        ("webp with transparency", (37, 23), True),
    ],
)
def test_the_header_of_a_webp_tells_what_is_in_it(
    kind: str, size: tuple[int, int], *, has_alpha: bool
) -> None:
    made = _embedded(FILES[kind])
    assert int.from_bytes(made[4:8], "little") == len(made) - 8
    assert made[12:20] == b"VP8X" + struct.pack("<I", 10)
    assert made[20] & 0x14 == (0x14 if has_alpha else 0x04)
    canvas = int.from_bytes(made[24:27], "little") + 1, int.from_bytes(made[27:30], "little") + 1
    assert canvas == size


@pytest.mark.parametrize("kind", FILES)
def test_a_second_time_replaces_what_the_first_wrote(kind: str) -> None:
    other = ORIGIN.model_copy(update={"prompt": "something else", "kind": "image"})
    again = _embedded(_embedded(FILES[kind]), other)
    assert read_embedded(again) == other
    assert again.count(b"</gim:document>") == 1


@pytest.mark.parametrize("kind", PLAIN)
def test_a_file_with_signed_provenance_is_left_alone(kind: str) -> None:
    signed = SIGNED[kind](PLAIN[kind])
    with Image.open(io.BytesIO(signed)) as image:
        image.load()
    assert has_c2pa(signed)
    assert not has_c2pa(PLAIN[kind])
    assert embed(signed, ORIGIN) is None
    assert read_embedded(signed) is None


def test_other_boxes_of_a_jpeg_are_no_provenance() -> None:
    data = PLAIN["jpeg"]
    body = b"JP\0\1\0\0\0\1\0\0\0\x20jumb\0\0\0\x18jumdjson\0"
    assert not has_c2pa(data[:2] + b"\xff\xeb" + struct.pack(">H", len(body) + 2) + body + data[2:])


@pytest.mark.parametrize("kind", FILES)
def test_metadata_of_another_program_are_left_alone(kind: str) -> None:
    with Image.open(io.BytesIO(FILES[kind])) as image:
        data = _with_foreign_xmp(image, image.format or "")
    assert embed(data, ORIGIN) is None
    assert read_embedded(data) is None


def _with_foreign_xmp(image: Image.Image, kind: str) -> bytes:
    packet = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    if kind != "PNG":
        return _file(image, kind, xmp=packet)
    compressed = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(packet)
    return _behind_png_header(_file(image, kind), _png_chunk(b"iTXt", compressed))


@pytest.mark.parametrize(
    "document", [b"{}", b"[", b"\xff\xfe", b'{"id": 5}', b"&quot;"], ids=lambda part: part.hex()
)
def test_a_document_of_another_shape_is_not_read(document: bytes) -> None:
    made = _embedded(PLAIN["webp"])
    forged = re.sub(rb"(<gim:document>).*(</gim:document>)", rb"\1" + re.escape(document) + rb"\2", made)
    with pytest.raises(ValueError, match=r".+"):
        read_embedded(forged + b"\0" * len(made))


@pytest.mark.parametrize(
    "data", [b"", b"?", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP"]
)
def test_what_is_no_whole_image_is_left_alone(data: bytes) -> None:
    assert not has_c2pa(data)
    assert embed(data, ORIGIN) is None
    assert read_embedded(data) is None


def test_a_file_of_another_format_holds_nothing() -> None:
    for container in (png, jpeg, webp):
        assert not container.has_c2pa(b"GIF89a")
        assert container.find_xmp(b"GIF89a") is None


def _webp(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = [kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2) for kind, body in chunks]
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    "data",
    [
        _webp((b"VP8X", b"short")),
        _webp((b"VP8 ", b"\0\0\0\x9d\x01\x2a\0\0\0\0")),
        _webp((b"VP8 ", b"no pixels at all")),
        _webp((b"VP8L", b"no pixels")),
        _webp((b"ALPH", b"")),
    ],
)
def test_a_webp_with_a_damaged_header_is_left_alone(data: bytes) -> None:
    assert embed(data, ORIGIN) is None


def test_padding_and_bare_markers_of_a_jpeg_are_understood() -> None:
    data = PLAIN["jpeg"]
    padded = data[:2] + b"\xff\x01" + b"\xff\xff" + data[2:]
    assert read_embedded(_embedded(padded)) == ORIGIN
    assert not has_c2pa(data[:2] + b"\xff\xd9")


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8" + b"\xff" * 48_000_000 + b"\xd9",
        b"\xff\xd8" + b"\xff\xe2\0\2" * 8_000_000,
        PLAIN["png"][:8] + b"\0\0\0\0tEXt\0\0\0\0" * 3_000_000,
        b"RIFF\xff\xff\xff\x7fWEBP" + b"EXIF\0\0\0\0" * 4_000_000,
        *(
            _behind_png_header(PLAIN["png"], _png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + text))
            for text in (b"<gim:document>" * 70_000, b'<gim:document>{"id":"&lt;' * 38_000)
        ),
    ],
    ids=["padding", "segments", "chunks", "chunks of a webp", "documents", "documents with escapes"],
)
def test_files_of_very_many_parts_are_read_in_seconds(data: bytes) -> None:
    assert read_embedded(data) is None
    assert not has_c2pa(data)


def test_what_follows_the_image_stays_behind_it() -> None:
    for data in PLAIN.values():
        assert _embedded(data + b"a film").endswith(b"a film")


@given(kind=st.sampled_from(sorted(PLAIN)), prompt=st.text(max_size=300))
def test_any_prompt_comes_back_as_it_was(kind: str, prompt: str) -> None:
    origin = ORIGIN.model_copy(update={"prompt": prompt})
    assert read_embedded(_embedded(PLAIN[kind], origin)) == origin


@settings(max_examples=20)
@given(part=st.text(min_size=1, max_size=8))
def test_a_prompt_too_long_for_a_jpeg_is_cut_and_says_so(part: str) -> None:
    prompt = (part * LONGEST_PROMPT)[:LONGEST_PROMPT]
    origin = ORIGIN.model_copy(update={"prompt": prompt})
    for kind in ("png", "webp"):
        assert read_embedded(_embedded(PLAIN[kind], origin)) == origin
    made = _embedded(PLAIN["jpeg"], origin)
    with Image.open(io.BytesIO(made)) as image:
        image.load()
    read = read_embedded(made)
    assert read is not None
    assert prompt.startswith(read.prompt)
    assert read.prompt_is_cut is (len(read.prompt) < len(prompt))
    assert not read.prompt_is_cut or len(made) > len(PLAIN["jpeg"]) + 65_000


def test_what_fits_into_no_segment_even_without_its_prompt_is_left_out() -> None:
    origin = ORIGIN.model_copy(update={"parents": ("20261120-150301-ffffff",) * 5000})
    assert embed(PLAIN["jpeg"], origin) is None
    assert read_embedded(_embedded(PLAIN["png"], origin)) == origin


@settings(max_examples=300)
@given(data=st.data())
def test_damaged_files_are_read_as_far_as_they_go(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(PLAIN)))
    whole = data.draw(st.sampled_from([PLAIN[kind], SIGNED[kind](PLAIN[kind]), _embedded(PLAIN[kind])]))
    broken = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for place in data.draw(st.lists(st.integers(0, max(0, len(broken) - 1)), max_size=4)):
        broken[place : place + 1] = data.draw(st.binary(min_size=1, max_size=2))
    given_bytes = bytes(broken)
    has_c2pa(given_bytes)
    with contextlib.suppress(ValueError):
        read_embedded(given_bytes)
    made = embed(given_bytes, ORIGIN)
    assert made is None or read_embedded(made) == ORIGIN


@given(kind=st.sampled_from(sorted(PLAIN)), share=st.floats(0, 0.99))
def test_a_file_that_breaks_off_is_left_alone(kind: str, share: float) -> None:
    assert embed(PLAIN[kind][: int(len(PLAIN[kind]) * share)], ORIGIN) is None


@given(start=st.sampled_from([data[:16] for data in PLAIN.values()]), rest=st.binary(max_size=200))
def test_random_bytes_behind_a_signature_do_no_harm(start: bytes, rest: bytes) -> None:
    has_c2pa(start + rest)
    with contextlib.suppress(ValueError):
        read_embedded(start + rest)
    made = embed(start + rest, ORIGIN)
    assert made is None or read_embedded(made) == ORIGIN


def test_nothing_of_whose_or_where_an_image_is_goes_into_the_file() -> None:
    provenance = Provenance(
        kind="image",
        prompt="a boat",
        model="gpt-image-2",
        requested=ORIGIN.requested,
        applied=ORIGIN.applied,
        cost=ORIGIN.cost,
        owner="the-owner",
        project_dir="/the/project",
        request_id="req_secret",
    )
    made = _embedded(PLAIN["png"], metadata_of(ORIGIN.id, ORIGIN.created_at, provenance))
    read = read_embedded(made)
    assert read is not None
    assert (read.id, read.prompt, read.cost) == (ORIGIN.id, "a boat", ORIGIN.cost)
    assert b"trainedAlgorithmicMedia" in made
    for private in (b"the-owner", b"/the/project", b"req_secret"):
        assert private not in made
