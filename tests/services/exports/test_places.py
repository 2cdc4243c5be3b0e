"""Where exports go, what they are called, and what belongs to a favicon set."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.errors import InvalidArgument, OutputRejected

if TYPE_CHECKING:
    from pathlib import Path


def _saved(path: Path, mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (300, 200)).save(path)
    return path


async def _path(studio: Studio, ref: Path | str, **options: Any) -> Path:
    (made,) = (await studio.export(str(ref), **options)).files
    return made.file_path


async def test_an_export_lies_beside_a_source_in_the_project(studio: Studio, project: Path) -> None:
    source = _saved(project / "assets" / "a.png")
    assert await _path(studio, source, width=9) == project / "assets" / "a-9x6.png"


async def test_beside_any_folder_of_the_repository_that_the_project_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project" / ".git").mkdir()
    (tmp_path / "project" / "web").mkdir()
    monkeypatch.chdir(tmp_path / "project" / "web")
    source = _saved(tmp_path / "project" / "art" / "a.png")
    async with Studio(Settings(sandbox=True)) as studio:
        assert (await _path(studio, source, width=9)).parent == source.parent


async def test_an_export_of_a_source_from_elsewhere_goes_where_images_go(
    studio: Studio, tmp_path: Path
) -> None:
    source = _saved(tmp_path / "elsewhere" / "a.png")
    assert await _path(studio, source, width=9) == tmp_path / "out" / "a-9x6.png"


async def test_a_made_image_in_the_project_has_its_exports_beside_it(studio: Studio, project: Path) -> None:
    made = await studio.generate("a", size="816x816", quality="low", filename="assets/logo.png")
    assert await _path(studio, made.images[0].id, width=9) == project / "assets" / "logo-9x9.png"
    assert sorted(path.name for path in (project / "assets").iterdir()) == ["logo-9x9.png", "logo.png"]


async def test_where_only_some_folders_may_be_written_nothing_lies_beside_the_source(
    project: Path, tmp_path: Path
) -> None:
    source = _saved(project / "a.png")
    settings = Settings(sandbox=True, output_dir=str(tmp_path / "out"), output_roots=())
    async with Studio(settings) as studio:
        assert await _path(studio, source, width=9) == tmp_path / "out" / "a-9x6.png"
        for options in (
            {"output_dir": str(project)},
            {"filename": "b/c.png"},
            {"filename": f"{project}/c.png"},
        ):
            with pytest.raises(OutputRejected):
                await studio.export(str(source), **options)  # type: ignore[arg-type]
    assert [path.name for path in project.iterdir()] == ["a.png"]


async def test_a_link_to_a_file_outside_the_project_is_answered_beside_the_link(
    studio: Studio, project: Path, tmp_path: Path
) -> None:
    (project / "a.png").symlink_to(_saved(tmp_path / "elsewhere" / "b.png"))
    assert (await _path(studio, "a.png", width=9)).parent == project


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"filename": "b.webp"}, "b.webp"),
        ({"filename": " 'b.JPG' "}, "b.JPG"),
        ({"filename": "b"}, "b.png"),
        ({"filename": "v1.2", "output_format": "jpeg"}, "v1.2.jpg"),
        ({"filename": "x/b.avif"}, "x/b.avif"),
        ({"filename": "x/b.ico", "output_dir": "y"}, "y/x/b.ico"),
        ({"filename": "b.jpeg", "output_dir": "y", "output_format": "jpeg"}, "y/b.jpeg"),
        ({"filename": "b\u202egnp.\u200bpng"}, "bgnp.png"),
        ({"filename": "x\u2066/b\U000e0041.webp", "output_dir": "y\u202e"}, "y/x/b.webp"),
    ],
)
async def test_an_exact_name_gives_folder_and_format(
    studio: Studio, project: Path, options: dict[str, Any], path: str
) -> None:
    made = await _path(studio, _saved(project / "a.png"), **options)
    assert made == project / path
    formats = {"jpg": "JPEG", "jpeg": "JPEG"}
    ending = path.rpartition(".")[2].lower()
    with Image.open(made) as image:
        assert image.format == formats.get(ending, ending.upper())


@pytest.mark.parametrize(
    "options",
    [
        {"filename": "../b.png"},
        {"filename": "b.gif"},
        {"filename": "b.png", "output_format": "webp"},
        {"filename": "x/"},
        {"filename": "con.png"},
        {"filename": ".git/b.png"},
        {"filename": "/etc/b.png"},
        {"filename": "b\x1b.png"},
        {"filename": "x\n/b.png"},
        {"filename": "b.png", "output_dir": "x\x9b"},
        {"output_dir": "x\x1b[31m/y"},
    ],
)
async def test_a_name_that_cannot_be_is_refused_and_nothing_is_written(
    studio: Studio, project: Path, options: dict[str, Any]
) -> None:
    _saved(project / "a.png")
    with pytest.raises(OutputRejected):
        await studio.export("a.png", **options)
    assert [path.name for path in project.iterdir()] == ["a.png"]


async def test_a_set_takes_no_name(studio: Studio, project: Path) -> None:
    with pytest.raises(InvalidArgument, match="favicon"):
        await studio.export(str(_saved(project / "a.png")), preset="favicon", filename="b.png")


async def test_a_taken_name_is_only_replaced_if_that_is_said(studio: Studio, project: Path) -> None:
    source, taken = _saved(project / "a.png"), _saved(project / "b.png")
    before = taken.read_bytes()
    result = await studio.export(str(source), filename="b.png", width=9)
    assert result.files[0].file_path.name == "b-2.png"
    assert result.notes == ("The name b.png was taken; the file is b-2.png.",)
    assert taken.read_bytes() == before
    replaced = await studio.export(str(source), filename="b.png", width=9, overwrite=True)
    assert (replaced.files[0].file_path, replaced.notes) == (taken, ())
    with Image.open(taken) as image:
        assert image.size == (9, 6)


async def test_neither_a_folder_nor_what_a_link_leads_to_elsewhere_is_replaced(
    studio: Studio, project: Path, tmp_path: Path
) -> None:
    source = _saved(project / "a.png")
    (project / "folder.png").mkdir()
    outside = _saved(tmp_path / "outside.png")
    (project / "link.png").symlink_to(outside)
    before = outside.read_bytes()
    for name in ("folder.png", "link.png"):
        with pytest.raises(OutputRejected, match="not replaced"):
            await studio.export(str(source), filename=name, overwrite=True)
    assert outside.read_bytes() == before


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag == "link"
        self.links.append(dict(attrs))


async def test_a_favicon_set_brings_its_lines_and_manifest(studio: Studio, project: Path) -> None:
    result = await studio.export(str(_saved(project / "logo.png")), preset="favicon")
    parser = _Links()
    parser.feed(result.html)
    manifest = json.loads((result.folder / "site.webmanifest").read_text())
    assert json.loads(result.manifest) == manifest
    assert result.manifest_path == result.folder / "site.webmanifest"
    named = [str(link["href"]) for link in parser.links] + [icon["src"] for icon in manifest["icons"]]
    assert sorted(named) == sorted(f"/{path.name}" for path in result.folder.iterdir())
    for entry in (*parser.links, *manifest["icons"]):
        path = result.folder / str(entry.get("href") or entry["src"]).removeprefix("/")
        if path.suffix != ".webmanifest":
            with Image.open(path) as image:
                assert entry["sizes"] == f"{image.width}x{image.height}"
    assert [icon["sizes"] for icon in manifest["icons"]] == ["192x192", "512x512"]
    other = await studio.export(str(project / "logo.png"), preset="app_icon")
    assert (other.html, other.manifest, other.manifest_path) == ("", "", None)


async def test_the_colour_behind_the_picture_is_named(studio: Studio, project: Path) -> None:
    source = str(_saved(project / "a.png", "RGBA"))
    forced = await studio.export(source, output_format="jpeg")
    assert re.fullmatch("#[0-9a-f]{6}", forced.background)
    assert forced.background in forced.notes[0]
    assert (await studio.export(source, output_format="jpeg", background="navy")).background == "#000080"
    assert (await studio.export(source, width=9)).background == ""
