"""``data:`` URLs and bare base64 as images."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gpt_image_mcp import Settings
from gpt_image_mcp.errors import ImageError, InputRejected
from gpt_image_mcp.library.store import Library
from gpt_image_mcp.services.inputs import Inputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def _png() -> bytes:
    stream = io.BytesIO()
    Image.effect_noise((40, 30), 90).convert("RGB").save(stream, "PNG")
    return stream.getvalue()


PNG = _png()
BASE64 = base64.b64encode(PNG).decode()
HIDDEN = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def library() -> Iterator[Library]:
    """An empty library."""
    opened = Library(Settings(sandbox=True))
    yield opened
    opened.close()


@pytest.fixture
def inputs(library: Library) -> Inputs:
    """Inputs under the settings of a fresh installation."""
    return Inputs(Settings(sandbox=True), library)


async def _refused(inputs: Inputs, ref: str) -> ImageError:
    with pytest.raises(ImageError) as caught:
        await inputs.load([ref])
    assert caught.value.next_step
    return caught.value


@pytest.mark.parametrize(
    "url",
    [
        *(f"data:image/png;base64,{BASE64}", f"DATA:IMAGE/PNG;BASE64,{BASE64}", f"data:;base64,{BASE64}"),
        *(f"data:text/plain;base64,{BASE64}", f"data:image/jpeg;name=a.jpg;base64,{BASE64}", BASE64),
        *(f"data:image/png;base64,{BASE64.rstrip('=')}", f"data:image/png;base64,{quote(BASE64, safe='')}"),
        f"data:image/png;base64,{BASE64.replace('+', '-').replace('/', '_')}",
        "data:image/png;base64,\n" + "\r\n".join(BASE64[at : at + 76] for at in range(0, len(BASE64), 76)),
        f"data:image/png,{quote(PNG)}",
    ],
)
async def test_a_data_url_is_the_image_it_holds(inputs: Inputs, url: str) -> None:
    (image,) = await inputs.load([url])
    assert image.data == PNG
    assert image.mime_type == "image/png"
    assert len(image.source) < 160


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "AVIF"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
async def test_bare_base64_is_the_image_it_holds_in_either_alphabet(
    inputs: Inputs, kind: str, encode: Callable[[bytes], bytes]
) -> None:
    stream = io.BytesIO()
    Image.effect_noise((40, 30), 90).convert("RGB").save(stream, kind)
    source = await inputs.read(encode(stream.getvalue()).decode())
    assert source.data == stream.getvalue()


@HIDDEN
@given(st.binary(max_size=300), st.sampled_from(["image/png", "", "text/plain;charset=utf-8"]), st.booleans())
async def test_any_bytes_survive_a_data_url(inputs: Inputs, data: bytes, kind: str, as_base64: bool) -> None:  # noqa: FBT001 - hypothesis fills it
    body = f";base64,{base64.b64encode(data).decode()}" if as_base64 else f",{quote(data)}"
    assert (await inputs.read(f"data:{kind}{body}")).data == data


@HIDDEN
@given(st.text(max_size=60))
async def test_any_text_as_data_url_is_bytes_or_a_clear_refusal(inputs: Inputs, text: str) -> None:
    for head in ("data:", "data:image/png;base64,", "data:,"):
        try:
            source = await inputs.read(head + text)
        except InputRejected as error:
            refusal: InputRejected | None = error
        else:
            refusal = None
            assert isinstance(source.data, bytes)
        assert refusal is None or refusal.next_step


@pytest.mark.parametrize(
    "url",
    [
        "data:image/png;base64,iVBORw0KGgo!",
        "data:image/png;base64,iVBO=Rw0KGgo",
        "data:image/png;base64,iVBORw0KGgoAA漢字",
        "data:image/png;base64,A",
        "data:,\ud800",
        "data:image/png;base64",
        "data:image/png;base64,",
        "data:image/png;base64," + base64.b64encode(b"hello").decode(),
        "data:text/html,<html><p>hello",
        f"data:image/png;base64,{BASE64[:200]}",
    ],
)
async def test_a_data_url_that_holds_no_image_is_refused(inputs: Inputs, url: str) -> None:
    error = await _refused(inputs, url)
    assert isinstance(error, InputRejected)


async def test_data_far_over_the_limit_are_refused_before_they_are_decoded(library: Library) -> None:
    inputs = Inputs(Settings(sandbox=True, max_input_mb=0.0001), library)
    for url in ("data:image/png;base64," + "!" * 20_000, "data:," + "%41" * 20_000):
        assert "characters; at most 0.0001 MB" in (await _refused(inputs, url)).message


async def test_percent_encoded_data_over_the_limit_are_refused_by_their_true_size(library: Library) -> None:
    inputs = Inputs(Settings(sandbox=True, max_input_mb=0.0001), library)
    assert "101" in (await _refused(inputs, "data:," + "a" * 101)).message


@pytest.mark.timeout(20)
@pytest.mark.parametrize("start", ["data:image/png,", "data%3aimage/png,"])
async def test_more_escapes_than_memory_bears_are_refused_before_they_are_decoded(
    inputs: Inputs, start: str
) -> None:
    error = await _refused(inputs, start + "%41" * 3_000_001)
    assert "%XX" in error.message
    assert "base64" in error.next_step
