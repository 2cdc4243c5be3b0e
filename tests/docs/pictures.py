"""The pictures of the documentation, made in the sandbox by what they show."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageDraw, ImageFont

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.imaging.regions import Region, cover
from gpt_image_mcp.imaging.shapes import read_shapes
from gpt_image_mcp.values.views import ViewOptions
from tests.browser import chromium
from tests.gallery_samples import sample_image, write_page

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gpt_image_mcp.values.images import StoredImage

WIDTH = 960
_GAP, _CAPTION = 12, 26
_PAPER, _INK = "white", "#333333"  # of their own, so that they are legible on light and dark pages
_SAIL = [{"shape": "ellipse", "box": [0.3, 0.3, 0.7, 0.8]}]
_BOAT: dict[str, Any] = {"prompt": "a paper boat on a calm lake", "quality": "low"}


async def made_in_sandbox(folder: Path) -> dict[str, bytes]:
    """The pictures that the studio makes, as JPEG files by their names."""
    settings = Settings(sandbox=True, output_dir=str(folder))
    async with Studio(settings) as studio:
        boat = (await studio.generate(**_BOAT, size="16:9")).images[0]
        sail = (await studio.edit("a red sail", [boat.id], regions=_SAIL, quality="low")).images[0]
        wide = (
            await studio.edit("more water", [boat.id], edit_type="outpaint", size="21:9", quality="low")
        ).images[0]
        icon = (await studio.generate("a cup of coffee, flat icon", size="square", quality="low")).images[0]
        drafts = await studio.generate("four ideas for a logo", n=4, size="square", quality="low")
        sheet = (await studio.compare([image.id for image in drafts.images])).sheet
        rulers = (await studio.preview(await studio.get(boat.id), ViewOptions(grid=True))).images[0]
        icons = await studio.export(icon.id, preset="favicon", output_dir=str(folder / "icons"))
        before, after, extended = map(_opened, (boat.file_path, sail.file_path, wide.file_path))
        mask = cover(read_shapes(Region, _SAIL), before.size).coverage
        shown = [file.file_path for file in icons.files if file.file_path.suffix == ".png"]
    assert sheet
    return {
        "region-edit.jpg": _row([("before", before), ("mask: white is edited", mask), ("after", after)]),
        "outpaint.jpg": _row([("before", before), ("extended to 21:9", extended)]),
        "rulers.jpg": _row([("get_image with grid", Image.open(io.BytesIO(rulers.data)))], largest=640),
        "contact-sheet.jpg": _row(
            [("get_image with four ids", Image.open(io.BytesIO(sheet.data)))], largest=640
        ),
        "favicons.jpg": _row([(path.stem, _opened(path)) for path in shown], largest=180),
    }


def gallery(executable: str, folder: Path) -> bytes:
    """A gallery in a browser, as a JPEG file."""
    words = [
        "a paper boat",
        "the same boat at night",
        "a lighthouse",
        "a harbour in fog",
        "a red kite",
        "tea",
    ]
    images: list[StoredImage] = []
    for number, prompt in enumerate(words):
        path = folder / f"{number}.png"
        Image.linear_gradient("L").resize((640, 480)).rotate(30 * number).convert("RGB").save(path)
        images.append(sample_image(path, number, prompt=prompt))
    write_page(images, folder / "gallery.html")
    with chromium(executable, folder / "profile") as page:
        page.open((folder / "gallery.html").as_uri())
        page.wait_for(f"document.querySelectorAll('.card').length === {len(words)}")
        shot = page.send("Page.captureScreenshot")["data"]
    image = Image.open(io.BytesIO(base64.b64decode(shot)))
    return _jpeg(image.resize((WIDTH, round(image.height * WIDTH / image.width))))


def _opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGBA")


def _row(pictures: Sequence[tuple[str, Image.Image]], *, largest: int = WIDTH) -> bytes:
    """Pictures side by side, each under its caption, as a JPEG file."""
    width = min(largest, (WIDTH - _GAP * (len(pictures) - 1)) // len(pictures))
    scaled = [
        (caption, picture.convert("RGBA").resize((width, round(picture.height * width / picture.width))))
        for caption, picture in pictures
    ]
    height = _CAPTION + max(picture.height for _, picture in scaled)
    paper = Image.new("RGB", (len(scaled) * (width + _GAP) - _GAP, height), _PAPER)
    draw, font = ImageDraw.Draw(paper), ImageFont.load_default(size=16)
    for position, (caption, picture) in enumerate(scaled):
        left = position * (width + _GAP)
        draw.text((left + 2, 3), caption, fill=_INK, font=font)
        paper.paste(picture, (left, _CAPTION), picture)
    return _jpeg(paper)


def _jpeg(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.convert("RGB").save(stream, "JPEG", quality=80)
    return stream.getvalue()
