"""Where the files of a call go: folders and names of the caller's own, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.calls.destination import choose_destination, named_format
from gpt_image_mcp.errors import OutputRejected
from gpt_image_mcp.folders import default_folder, require_target
from gpt_image_mcp.library.sidecars import metadata_path
from gpt_image_mcp.values.options import OutputOptions
from tests.other_users import anothers_file, only_as_root

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from gpt_image_mcp.values.images import StoredImage

QUICK: dict[str, Any] = {"size": "816x816", "quality": "low"}
HALF = [{"box": [0, 0, 0.5, 1]}]


@pytest.fixture
async def studio(project: Path) -> AsyncGenerator[Studio]:
    """A studio in the sandbox, working for a project."""
    del project
    async with Studio(Settings(sandbox=True)) as opened:
        yield opened


async def _make(studio: Studio, **options: Any) -> tuple[StoredImage, ...]:
    return (await studio.generate("a red fox", **{**QUICK, **options})).images


def _files(folder: Path) -> list[str]:
    """All files at or below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def _written(project: Path) -> list[str]:
    """All files in the home and the project but our own."""
    return [name for name in _files(project.parent) if not name.startswith(("home/config", "home/data"))]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"filename": "assets/logo.png"}, "project/assets/logo.png"),
        ({"filename": "assets\\logo.webp"}, "project/assets/logo.webp"),
        ({"filename": "./logo.png", "output_dir": "art"}, "project/art/logo.png"),
        ({"filename": "a/logo.jpg", "output_dir": "art"}, "project/art/a/logo.jpg"),
        ({"filename": '"assets/夜景.jpeg"'}, "project/assets/夜景.jpeg"),
        ({"filename": "assets/logo", "output_format": "webp"}, "project/assets/logo.webp"),
        ({"filename": "~/logo.png"}, "home/logo.png"),
        ({"filename": "./logo.png"}, "project/logo.png"),
        ({"filename": ".\\logo.png"}, "project/logo.png"),
        ({"filename": "assets/gif"}, "project/assets/gif.png"),
        ({"filename": "svg", "output_dir": "art"}, "project/art/svg.png"),
        ({"filename": "x\u202e/b\u200b.png"}, "project/x/b.png"),
        ({"filename": "x\u202e/b\u200b.png", "output_dir": "art\u2066"}, "project/art/x/b.png"),
        ({"output_dir": "art", "filename_prefix": "x"}, None),
    ],
)
async def test_a_folder_of_the_callers_own_holds_only_what_was_asked_for(
    studio: Studio, project: Path, options: dict[str, Any], expected: str | None
) -> None:
    (image,) = await _make(studio, **options)
    assert _written(project) == [expected or str(image.file_path.relative_to(project.parent))]
    assert metadata_path(image).is_relative_to(default_folder(studio.settings))
    assert image.mime_type == f"image/{named_format(OutputOptions(**options))}"


async def test_a_name_in_the_output_folder_has_its_metadata_beside_it(studio: Studio) -> None:
    (image,) = await _make(studio, filename="logo.png")
    assert image.file_path == default_folder(studio.settings) / "logo.png"
    assert metadata_path(image).parent == image.file_path.parent / ".metadata"


async def test_an_absolute_name_is_taken_and_several_are_numbered(studio: Studio, tmp_path: Path) -> None:
    images = await _make(studio, filename=str(tmp_path / "own" / "fox.png"), n=2)
    assert _files(tmp_path / "own") == ["fox-1.png", "fox-2.png"]
    assert [image.file_path.name for image in images] == ["fox-1.png", "fox-2.png"]


async def test_a_picture_as_returned_lies_at_home_and_not_beside_the_one_asked_for(
    studio: Studio, project: Path
) -> None:
    (source,) = await _make(studio)
    edited = await studio.edit("bluer", [source.id], regions=HALF, filename="art/fox.png", quality="low")
    assert _files(project) == ["art/fox.png"]
    parent = await studio.find(edited.images[0].provenance.parents[0])
    assert parent.file_path.parent == default_folder(studio.settings)


async def test_an_image_in_a_folder_of_the_callers_own_is_found_again_after_a_rebuild(
    studio: Studio, project: Path
) -> None:
    (image,) = await _make(studio, filename="assets/logo.png")
    async with Studio(Settings(sandbox=True, database_url=SecretStr(f"sqlite:///{project}/new.db"))) as other:
        assert (await other.history.rebuild()).images == 1
        assert await other.find(image.id) == image
        moved = image.file_path.rename(project / "moved.png")
        assert (await other.find(str(moved))).id == image.id
        assert (await other.find(image.id)).file_path == moved
        assert metadata_path(await other.find(image.id)) == metadata_path(image)


async def test_overwriting_replaces_the_file_and_the_name_means_the_new_image(
    studio: Studio, project: Path
) -> None:
    (first,) = await _make(studio, filename="a/fox.png")
    (second,) = await _make(studio, filename="a/fox.png", size="1024x1024", overwrite=True)
    assert _files(project) == ["a/fox.png"]
    assert (await studio.find("a/fox.png")).id == second.id != first.id


@pytest.mark.parametrize(
    ("filename", "word"),
    [
        ("../logo.png", "leads upwards"),
        ("a/../../logo.png", "leads upwards"),
        ("art/", "names a folder"),
        ("..", "leads upwards"),
        (".", "names a folder"),
        (".png", "plain file name"),
        ("con.png", "store"),
        ("nul/logo.png", "store"),
        ("a\0b.png", "not a path"),
        ("d/" * 1200 + "logo.png", "folders deep"),
        ("d\\" * 1200 + "logo.png", "folders deep"),
        ("/tmp/" + "d/" * 1200 + "logo.png", "folders deep"),
        (".git/hooks/logo.png", "holds"),
        ("/etc/logo.png", "holds"),
        ("logo.tiff", "not made as tiff"),
        ("assets/logo.xyz", "not made as xyz"),
        ("logo.png.txt", "not made as txt"),
    ],
)
@pytest.mark.parametrize("overwrite", [False, True])
async def test_a_name_that_cannot_be_used_is_refused_and_nothing_is_made(
    studio: Studio, project: Path, filename: str, word: str, *, overwrite: bool
) -> None:
    (project / ".git").mkdir()
    with pytest.raises(OutputRejected, match=word) as caught:
        await _make(studio, filename=filename, overwrite=overwrite)
    assert caught.value.next_step
    assert _written(project) == []


@pytest.mark.parametrize(
    "way", ["new/../x/y/../../out", "file.txt/../out", "link/../out", ".git/x/../../out"]
)
async def test_a_folder_that_a_path_leaves_again_is_not_made(way: str, project: Path) -> None:
    (project / "elsewhere/below").mkdir(parents=True)
    (project / "link").symlink_to(project / "elsewhere/below")
    (project / "file.txt").write_text("there")
    before = {path for path in project.rglob("*") if path.is_dir()}
    async with Studio(Settings(sandbox=True)) as studio:
        (image,) = await _make(studio, output_dir=str(project / way))
    assert ".." not in image.file_path.parts
    assert {path for path in project.rglob("*") if path.is_dir()} - before == {image.file_path.parent}


async def test_outside_a_root_no_folder_is_made_by_the_way(project: Path) -> None:
    settings = Settings.model_validate({"sandbox": True, "output_roots": str(project / "out")})
    async with Studio(settings) as studio:
        await _make(studio, output_dir=str(project / "out/../evil/../out"))
        await _make(studio, output_dir="out/../.git/hooks/../../out")
    assert sorted(entry.name for entry in project.iterdir()) == ["out"]


def test_an_ending_that_contradicts_the_format_is_refused_with_both() -> None:
    with pytest.raises(OutputRejected, match=r"logo\.png.*webp"):
        named_format(OutputOptions(filename="logo.png", output_format="webp"))
    assert named_format(OutputOptions(filename="LOGO.JPG", output_format="jpg")) == "jpeg"


def test_an_absolute_name_and_a_folder_are_one_too_many(tmp_path: Path) -> None:
    options = OutputOptions(filename=str(tmp_path / "a.png"), output_dir="art")
    with pytest.raises(OutputRejected, match="absolute"):
        choose_destination(options, Settings(sandbox=True))


@pytest.mark.parametrize("filename", ["/elsewhere/a.png", "out2/a.png", "a/b.png", "link/a.png", "~/a.png"])
def test_outside_the_roots_no_name_is_taken(filename: str, project: Path) -> None:
    roots = (project / "out",)
    roots[0].mkdir()
    (project / "link").symlink_to(project.parent)
    settings = Settings(sandbox=True, output_dir=str(roots[0]), output_roots=roots)
    with pytest.raises(OutputRejected, match="outside"):
        choose_destination(OutputOptions(filename=filename), settings)
    inside = choose_destination(OutputOptions(filename="out/deep/a.png"), settings)
    assert (inside.folder, inside.filename) == (project / "out" / "deep", "a.png")


@pytest.mark.parametrize(
    "kind",
    [
        *("a folder", "a link that leads elsewhere", "leads nowhere", "no regular file"),
        "a link to a file of another ending",
    ],
)
def test_what_is_no_file_of_its_place_is_not_replaced(kind: str, project: Path) -> None:
    target, outside = project / "art" / "fox.png", project.parent / "secret.png"
    target.parent.mkdir()
    outside.write_bytes(b"mine")
    make: dict[str, Callable[[], object]] = {
        "a folder": target.mkdir,
        "a link that leads elsewhere": lambda: target.symlink_to(outside),
        "leads nowhere": lambda: target.symlink_to("missing.png"),
        "no regular file": lambda: os.mkfifo(target),
        "a link to a file of another ending": lambda: target.symlink_to(project / "art" / "fox.jpg"),
    }
    (project / "art" / "fox.jpg").write_bytes(b"mine")
    make[kind]()
    with pytest.raises(OutputRejected, match=kind):
        choose_destination(OutputOptions(filename="art/fox.png", overwrite=True), Settings(sandbox=True))
    assert outside.read_bytes() == b"mine"


@only_as_root
def test_a_file_of_another_user_is_not_replaced() -> None:
    with anothers_file() as path, pytest.raises(OutputRejected, match="another user's"):
        require_target(path, Settings(), overwrite=True)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"filename": "a/fox.PNG"}, "fox.png"),
        ({"filename": "a/fox.jpeg"}, "fox.jpeg"),
        ({"filename": "a/fox", "output_format": "jpg"}, "fox.jpg"),
        ({"filename": "a/fox.png", "n": 2}, "fox-2.png"),
    ],
)
async def test_what_cannot_be_replaced_is_found_under_the_name_that_is_written(
    studio: Studio, project: Path, options: dict[str, Any], name: str
) -> None:
    (project / "a" / name).mkdir(parents=True)
    with pytest.raises(OutputRejected, match="a folder"):
        await _make(studio, **options, overwrite=True)
    assert _written(project) == []


async def test_of_one_name_a_rebuild_knows_the_image_that_is_there(studio: Studio, project: Path) -> None:
    await _make(studio, filename="a/fox.png")
    (second,) = await _make(studio, filename="a/fox.png", size="1024x1024", overwrite=True)
    async with Studio(Settings(sandbox=True, database_url=SecretStr(f"sqlite:///{project}/new.db"))) as other:
        await other.history.rebuild()
        assert await other.find("a/fox.png") == second


async def test_an_absolute_folder_needs_no_project_though_the_configured_one_does(
    tmp_path: Path,
) -> None:
    settings = Settings(sandbox=True, project_dir="/", output_dir="pictures")
    async with Studio(settings) as studio:
        (image,) = await _make(studio, output_dir=str(tmp_path / "own"))
        assert _files(tmp_path / "own") == [image.file_path.name]
        assert metadata_path(image).is_relative_to(default_folder(settings))
        pruned = await studio.history.prune(keep_mb=0, is_confirmed=True)
        assert image.file_path.exists()
        assert len(pruned.kept) == 1


async def test_a_turn_of_a_session_goes_where_its_name_says(
    studio: Studio, project: Path, tmp_path: Path
) -> None:
    (source,) = await _make(studio)
    started = await studio.start_session("red", [source.id], filename="assets/fox.png", overwrite=True)
    assert started.session
    session = started.session.session_id
    plain = await studio.continue_session(session, "blue")
    assert plain.images[0].file_path.parent == default_folder(studio.settings)
    named = await studio.continue_session(session, "green", filename="art/green.webp")
    assert named.images[0].file_path == project / "art" / "green.webp"
    absolute = await studio.continue_session(session, "grey", filename=str(tmp_path / "own" / "grey.png"))
    assert absolute.images[0].file_path == tmp_path / "own" / "grey.png"
    assert absolute.images[0].mime_type == "image/png"
    again = await studio.continue_session(session, "red", filename="assets/fox.png")
    assert again.images[0].file_path == project / "assets" / "fox-2.png"


async def test_a_turn_of_a_session_with_a_folder_of_its_own_stays_below_it(
    studio: Studio, project: Path
) -> None:
    (source,) = await _make(studio)
    started = await studio.start_session("red", [source.id], output_dir="art", output_format="webp")
    assert started.session
    session = started.session.session_id
    turn = await studio.continue_session(session, "blue", filename="deep/blue")
    assert turn.images[0].file_path == project / "art" / "deep" / "blue.webp"
    turn = await studio.continue_session(session, "green", filename="green.jpg")
    assert turn.images[0].file_path == project / "art" / "green.jpg"
    assert turn.images[0].mime_type == "image/jpeg"


@given(st.text(alphabet=st.sampled_from("ab./\\~:c png\u202e"), max_size=14))
def test_whatever_the_name_the_file_lies_at_or_below_the_root(filename: str) -> None:
    root = Path.cwd() / "out"
    settings = Settings(sandbox=True, output_dir=str(root), output_roots=(root,))
    try:
        found = choose_destination(OutputOptions(filename=filename), settings)
    except OutputRejected:
        return
    assert (found.folder / found.filename).resolve().is_relative_to(root.resolve())
    assert "/" not in found.filename
