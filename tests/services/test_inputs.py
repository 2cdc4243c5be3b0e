"""Everything a caller may pass as an image, and what each mistake is answered with."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import string
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.errors import DatabaseFailed, ImageError, InputNotFound, InputRejected, InvalidArgument
from gpt_image_mcp.library.store import Library
from gpt_image_mcp.services.inputs import Inputs
from tests.web import answer, redirect, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gpt_image_mcp.values.images import StoredImage


def _picture(kind: str = "PNG", size: tuple[int, int] = (40, 30)) -> bytes:
    stream = io.BytesIO()
    Image.effect_noise(size, 90).convert("RGB").save(stream, kind)
    return stream.getvalue()


PNG, JPEG, WEBP, BMP = (_picture(kind) for kind in ("PNG", "JPEG", "WEBP", "BMP"))
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


@pytest.fixture
def photo(project: Path) -> Path:
    """A PNG file in the project folder."""
    path = project / "my photo.png"
    path.write_bytes(PNG)
    return path


def _configured(library: Library, **changes: Any) -> Inputs:
    return Inputs(Settings(sandbox=True, **changes), library)


async def _stored() -> StoredImage:
    """An image that was made before, and is in the library."""
    async with Studio(Settings(sandbox=True)) as studio:
        return (await studio.generate("a fox", size="816x816", quality="low")).images[0]


async def _refused(inputs: Inputs, ref: str) -> ImageError:
    with pytest.raises(ImageError) as caught:
        await inputs.load([ref])
    assert caught.value.next_step
    return caught.value


@pytest.mark.parametrize(
    "form",
    [
        *("{path}", "{name}", "./{name}", "'{path}'", '  "{name}" ', "file://{path}", "FILE:{path}"),
        *("file://{quoted}", "file://localhost{quoted}", "../project/{name}"),
    ],
)
async def test_a_file_is_found_however_its_path_is_written(inputs: Inputs, photo: Path, form: str) -> None:
    ref = form.format(path=photo, name=photo.name, quoted=quote(str(photo)))
    (image,) = await inputs.load([ref])
    assert image.data == PNG
    assert (image.name, image.mime_type, image.width, image.height) == ("image-1.png", "image/png", 40, 30)
    assert (image.image_id, image.notes) == ("", ())


async def test_a_tilde_is_the_home_of_the_user(inputs: Inputs, tmp_path: Path) -> None:
    (tmp_path / "home" / "a.png").write_bytes(PNG)
    assert (await inputs.load(["~/a.png"]))[0].data == PNG


async def test_a_relative_path_starts_at_the_configured_project(library: Library, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    inputs = _configured(library, project_dir=str(tmp_path))
    assert (await inputs.load(["a.png"]))[0].data == PNG


@pytest.mark.parametrize(
    ("data", "mime_type", "extension"),
    [
        *((PNG, "image/png", "png"), (JPEG, "image/jpeg", "jpg"), (WEBP, "image/webp", "webp")),
        (BMP, "image/png", "png"),
    ],
)
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.txt", "a", "漢 字.gif"])
async def test_the_bytes_decide_what_a_file_is(
    inputs: Inputs, project: Path, name: str, data: bytes, mime_type: str, extension: str
) -> None:
    (project / name).write_bytes(data)
    (image,) = await inputs.load([name])
    assert (image.mime_type, image.name) == (mime_type, f"image-1.{extension}")
    assert (image.data == data) is (data is not BMP)
    assert len(image.notes) == (data is BMP)


async def test_an_image_of_the_library_is_known_by_id_address_path_and_bytes(
    inputs: Inputs, project: Path
) -> None:
    stored = await _stored()
    copy = project / "copy.jpg"
    copy.write_bytes(stored.file_path.read_bytes())
    refs = [stored.id, stored.uri, f"{stored.uri}/preview", str(stored.file_path), "copy.jpg"]
    loaded = await inputs.load(refs)
    assert {image.image_id for image in loaded} == {stored.id}
    assert {image.data for image in loaded} == {stored.file_path.read_bytes()}
    assert [image.name for image in loaded] == [f"image-{number}.png" for number in range(1, 6)]


@pytest.mark.parametrize("ref", ["20200101-000000-abcdef", "gpt-image://images/20200101-000000-abcdef"])
async def test_an_id_that_the_library_does_not_have_is_not_found(inputs: Inputs, ref: str) -> None:
    error = await _refused(inputs, ref)
    assert isinstance(error, InputNotFound)
    assert "20200101-000000-abcdef" in error.message


async def test_a_database_that_cannot_be_used_is_no_fault_of_an_image(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    address = f"sqlite:///{tmp_path}/file/library.db"
    away = Settings.model_validate({"sandbox": True, "database_url": address})
    with contextlib.closing(Library(away)) as library, pytest.raises(DatabaseFailed):
        await Inputs(away, library).load(["20200101-000000-abcdef"])


async def test_an_image_that_was_changed_outside_is_sent_as_it_is_now_and_said_to_be(inputs: Inputs) -> None:
    stored = await _stored()
    stored.file_path.write_bytes(PNG)
    folder, name = stored.file_path.parent, stored.file_path.name
    loaded = await inputs.load([stored.id, f"{folder / name}", f"{folder}/../{folder.name}/{name}"])
    for image in loaded:
        assert (image.data, image.image_id) == (PNG, stored.id)
        assert image.notes == (
            f"Image {stored.id} was changed since it was made; the file as it is now was sent.",
        )


async def test_an_image_named_by_its_id_is_not_the_one_that_took_the_name_of_its_file(
    inputs: Inputs, project: Path
) -> None:
    async with Studio(Settings(sandbox=True)) as studio:
        place: dict[str, Any] = {"filename": str(project / "hero.png"), "overwrite": True, "quality": "low"}
        first, second = [(await studio.generate(words, **place)).images[0] for words in ("a fox", "an owl")]
    for ref in (first.id, first.uri):
        error = await _refused(inputs, ref)
        assert isinstance(error, InputNotFound)
        assert second.id in error.message
    (loaded,) = await inputs.load([str(second.file_path)])
    assert (loaded.image_id, loaded.notes) == (second.id, ())


async def test_where_an_image_was_moved_is_remembered_when_it_is_used(
    inputs: Inputs, library: Library, project: Path
) -> None:
    stored = await _stored()
    (project / "folder").mkdir()
    moved = stored.file_path.rename(project / "moved.png")
    (project / "link.png").symlink_to(moved)
    for ref in ("link.png", "folder/../moved.png", "moved.png"):
        assert [image.image_id for image in await inputs.load([ref])] == [stored.id]
        found = library.images.find_image(stored.id)
        assert found is not None
        assert found.file_path == moved.resolve()


async def test_a_pattern_that_nothing_matches_is_not_called_a_file(inputs: Inputs, project: Path) -> None:
    error = await _refused(inputs, "*.gif")
    assert isinstance(error, InputNotFound)
    assert str(project / "*.gif") in error.message


async def test_an_image_of_the_library_whose_file_is_gone_is_not_found(inputs: Inputs) -> None:
    stored = await _stored()
    stored.file_path.unlink()
    error = await _refused(inputs, stored.id)
    assert isinstance(error, InputNotFound)
    assert str(stored.file_path) in error.message


async def test_sixteen_references_of_all_kinds_keep_their_order(library: Library, photo: Path) -> None:
    stored = await _stored()
    sizes = [(20 + number, 10) for number in range(12)]
    pages = {f"/{width}": answer(_picture("JPEG", (width, height))) for width, height in sizes}
    async with serve(pages) as web:
        refs = [photo.name, stored.id, f"file://{quote(str(photo))}", f"data:;base64,{BASE64}"]
        refs += [web.url(f"/{width}") for width, _ in sizes]
        loaded = await _configured(library, allow_private_urls=True).load(refs)
    assert [(image.width, image.height) for image in loaded] == [
        (40, 30),
        (816, 816),
        (40, 30),
        (40, 30),
        *sizes,
    ]
    assert [image.name.partition(".")[0] for image in loaded] == [
        f"image-{number}" for number in range(1, 17)
    ]


async def test_only_the_first_image_of_a_request_keeps_its_transparency(
    inputs: Inputs, project: Path
) -> None:
    Image.new("RGBA", (8, 8), (9, 9, 9, 90)).save(project / "clear.png")
    first, second = await inputs.load(["clear.png", "clear.png"])
    (third,) = await inputs.load(["clear.png"], already=2)
    modes = [Image.open(io.BytesIO(image.data)).mode for image in (first, second, third)]
    assert modes == ["RGBA", "RGB", "RGB"]
    assert third.name == "image-3.png"
    assert "only the first image may be transparent" in third.notes[0]


async def test_an_image_of_the_web_is_loaded_and_shown_without_its_signature(library: Library) -> None:
    inputs = _configured(library, allow_private_urls=True)
    async with serve({"/a.txt?sig=secret": answer(WEBP)}) as web:
        (image,) = await inputs.load([web.url("/a.txt?sig=secret")])
        assert image.source == web.url("/a.txt")
    assert (image.data, image.mime_type) == (WEBP, "image/webp")


async def test_a_page_of_the_web_that_is_no_image_is_refused(library: Library) -> None:
    inputs = _configured(library, allow_private_urls=True)
    async with serve({"/a.png": answer(b"<html>login", Content_Type="image/png")}) as web:
        error = await _refused(inputs, web.url("/a.png"))
    assert isinstance(error, InputRejected)


async def test_an_image_of_the_web_that_breaks_off_is_refused_whatever_its_length_says(
    library: Library,
) -> None:
    inputs = _configured(library, allow_private_urls=True)
    async with serve({"/": answer(PNG, length=len(PNG) - 40)}) as web:
        error = await _refused(inputs, web.url())
    assert isinstance(error, InputRejected)


async def test_the_web_is_closed_to_private_addresses_unless_it_is_opened(
    inputs: Inputs, library: Library
) -> None:
    opened = _configured(library, allow_private_urls=True)
    async with serve({"/": answer(PNG), "/on": redirect("/")}) as web:
        error = await _refused(inputs, web.url())
        assert web.heads == []
        assert (await opened.load([web.url("/on")]))[0].data == PNG
    assert isinstance(error, InputRejected)
    assert "GPT_IMAGE_ALLOW_PRIVATE_URLS" in error.next_step


@pytest.mark.parametrize("form", ["file", "web", "data"])
async def test_what_is_over_the_limit_is_refused_with_the_limit(
    library: Library, project: Path, form: str
) -> None:
    inputs = _configured(library, max_input_mb=0.01, allow_private_urls=True)
    noise = _picture(size=(200, 200))
    (project / "big.png").write_bytes(noise)
    async with serve({"/": answer(noise)}) as web:
        refs = {
            "file": "big.png",
            "web": web.url(),
            "data": f"data:;base64,{base64.b64encode(noise).decode()}",
        }
        error = await _refused(inputs, refs[form])
    assert isinstance(error, InputRejected)
    assert "0.01 MB" in error.message
    if form == "file":
        assert f"{len(noise):,}" in error.message


async def test_a_file_of_just_the_limit_is_taken(library: Library, photo: Path) -> None:
    inputs = _configured(library, max_input_mb=len(PNG) / 1e6)
    assert (await inputs.load([str(photo)]))[0].data == PNG
    photo.write_bytes(PNG + b"\n")
    assert f"{len(PNG) + 1:,}" in (await _refused(inputs, str(photo))).message


async def test_images_that_are_large_together_are_refused_with_what_may_be_sent(
    library: Library, photo: Path
) -> None:
    photo.write_bytes(PNG + bytes(21_000_000))
    inputs = _configured(library)
    assert len(await inputs.load([str(photo)] * 9)) == 9
    with pytest.raises(InputRejected, match="more than 200 MB together"):
        await inputs.load([str(photo)] * 10)


async def test_what_images_are_converted_to_counts_beside_them(library: Library, project: Path) -> None:
    noise = project / "noise.bmp"
    Image.frombytes("RGB", (3600, 3600), os.urandom(3600 * 3600 * 3)).save(noise)  # 39 MB, also as PNG
    inputs = _configured(library)
    assert len(await inputs.load([str(noise)] * 2)) == 2
    with pytest.raises(InputRejected, match="more than 200 MB together"):
        await inputs.load([str(noise)] * 3)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty.png", b""),
        ("text.png", b"just text"),
        ("cut.png", PNG[: len(PNG) // 2]),
        ("cut.jpg", JPEG[: len(JPEG) // 2]),
        ("page.html", b"<html>"),
    ],
)
async def test_a_file_that_is_no_whole_image_is_refused_by_name(
    inputs: Inputs, project: Path, name: str, data: bytes
) -> None:
    (project / name).write_bytes(data)
    error = await _refused(inputs, name)
    assert isinstance(error, InputRejected)
    assert name in error.message


async def test_a_missing_file_is_not_found_and_the_nearest_names_are_offered(
    inputs: Inputs, photo: Path
) -> None:
    error = await _refused(inputs, "my foto.png")
    assert isinstance(error, InputNotFound)
    assert "my foto.png" in error.message
    assert photo.name in error.next_step
    assert photo.name not in (await _refused(inputs, "zzz")).next_step
    assert "no/such/folder" in (await _refused(inputs, "no/such/folder/a.png")).next_step


async def test_a_folder_is_refused_and_the_tool_for_folders_is_named(inputs: Inputs, project: Path) -> None:
    error = await _refused(inputs, str(project))
    assert isinstance(error, InputRejected)
    assert "batch_edit_images" in error.next_step


async def test_a_pipe_is_refused_without_waiting_for_a_writer(inputs: Inputs, project: Path) -> None:
    os.mkfifo(project / "pipe.png")
    for ref in ("pipe.png", "/dev/zero"):
        assert isinstance(await _refused(inputs, ref), InputRejected)


async def test_links_in_a_circle_are_an_error(inputs: Inputs, library: Library, project: Path) -> None:
    (project / "a.png").symlink_to("b.png")
    (project / "b.png").symlink_to("a.png")
    guarded = _configured(library, input_roots=(project,))
    for opened in (inputs, guarded):
        assert isinstance(await _refused(opened, "a.png"), InputNotFound)


@pytest.mark.parametrize(
    ("ref", "kind"),
    [
        *(("", InvalidArgument), (" '' ", InvalidArgument), ("a\0b.png", InputNotFound)),
        *(
            ("x" * 5000, InputRejected),
            ("a\ud800.png", InputNotFound),
            ("~no-such-user-here/a", InputNotFound),
        ),
        *(("ftp://example.com/a.png", InputRejected), ("gpt-image://sessions/x", InputRejected)),
        *(("http://", InputRejected), ("http://127.0.0.1/", InputRejected), ("file://", InputRejected)),
    ],
)
async def test_what_means_nothing_is_refused(inputs: Inputs, ref: str, kind: type[ImageError]) -> None:
    error = await _refused(inputs, ref)
    assert isinstance(error, kind)
    assert len(error.message) < 500


@HIDDEN
@given(st.text(string.printable + "漢🚣\0", max_size=40))
async def test_any_text_that_is_no_file_is_refused_with_a_next_step(inputs: Inputs, text: str) -> None:
    assert isinstance(await _refused(inputs, f"nowhere/{text}\x01"), InputNotFound | InputRejected)


async def test_one_bad_reference_of_several_is_the_error_of_the_call(inputs: Inputs, photo: Path) -> None:
    with pytest.raises(InputNotFound, match=r"missing\.png"):
        await inputs.load([str(photo), "missing.png", str(photo)])


async def test_files_outside_the_configured_folders_are_refused(library: Library, tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "inner"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "a.png").write_bytes(PNG)
    (inside / "link.png").symlink_to(outside / "a.png")
    inputs = _configured(library, input_roots=(inside,))
    assert (await inputs.load([str(inside / "a.png")]))[0].data == PNG
    refs = [
        str(outside / "a.png"),
        str(inside / "link.png"),
        f"{inside}/../inner/a.png",
        f"{outside}/missing.png",
    ]
    for ref in refs:
        error = await _refused(inputs, ref)
        assert isinstance(error, InputRejected)
        assert str(inside) in error.message
        assert "GPT_IMAGE_INPUT_ROOTS" in error.next_step
        assert "a.png" not in error.next_step


async def test_without_input_folders_only_images_of_the_library_and_data_are_read(
    library: Library, photo: Path
) -> None:
    stored = await _stored()
    inputs = _configured(library, input_roots=())
    assert isinstance(await _refused(inputs, str(photo)), InputRejected)
    loaded = await inputs.load([stored.id, f"data:;base64,{BASE64}"])
    assert [image.image_id for image in loaded] == [stored.id, ""]


async def test_a_link_to_the_folder_that_is_allowed_is_followed(library: Library, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.png").write_bytes(PNG)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    inputs = _configured(library, input_roots=(tmp_path / "link",))
    for name in ("real", "link"):
        assert (await inputs.load([str(tmp_path / name / "a.png")]))[0].data == PNG


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may read everything")
async def test_a_file_that_may_not_be_read_is_an_error_that_says_so(inputs: Inputs, photo: Path) -> None:
    photo.chmod(0)
    error = await _refused(inputs, str(photo))
    assert isinstance(error, InputNotFound)
    assert str(photo) in error.message
