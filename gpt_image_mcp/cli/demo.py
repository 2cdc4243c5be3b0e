"""Shows all that the program does, in the sandbox: no key, no network, no cost."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from gpt_image_mcp.settings import read_settings
from gpt_image_mcp.studio import Studio

if TYPE_CHECKING:
    from gpt_image_mcp.cli.console import Console
    from gpt_image_mcp.money import Cost
    from gpt_image_mcp.values.images import StoredImage
    from gpt_image_mcp.values.options import OutputArguments

_POSTER = 'A poster for a small bakery, the words "FRESH AT SEVEN" in large letters, morning light'
_ICON = "A paper boat, flat icon, two colours"
_SKY = "A hot-air balloon in the sky"
_AROUND_THE_SKY = {"shape": "ellipse", "box": [0.3, 0.08, 0.72, 0.5], "feather": 0.02}


async def run_demo(output_dir: str, console: Console) -> None:
    """Makes the demo's images and prints each file, its cost and the total.

    Raises:
        ImageError: If the output folder cannot be used.
    """
    console.print_lines(["gpt-image-mcp demo: sandbox, no key, no network. Costs are what OpenAI would ask."])
    output: OutputArguments = {"output_dir": output_dir, "filename_prefix": "demo", "quality": "low"}
    async with Studio(read_settings(sandbox=True).model_copy(update={"api_key": None})) as studio:
        steps = _Steps(studio, output, console)
        poster = await steps.generate()
        await steps.edit(poster)
        await steps.refine(poster)
        await steps.batch()
        console.print_lines(["", f"total {_dollars(steps.total)}, really spent $0"])


@dataclass(slots=True)
class _Steps:
    """The steps of the demo; each prints the files it made."""

    studio: Studio
    output: OutputArguments
    console: Console
    total: Decimal = Decimal(0)
    icons: tuple[str, ...] = ()

    async def generate(self) -> str:
        """Makes a poster and two drafts of an icon; returns the poster's id."""
        large: OutputArguments = {**self.output, "size": "landscape", "quality": "high"}
        poster = await self.studio.generate(_POSTER, **large)
        self._print("generate a poster, 3:2, high", poster.images, poster.cost)
        small: OutputArguments = {**self.output, "n": 2, "size": "816x816", "output_format": "webp"}
        icons = await self.studio.generate(_ICON, **small)
        self._print("generate two icon drafts, low, webp", icons.images, icons.cost)
        self.icons = tuple(image.id for image in icons.images)
        return poster.images[0].id

    async def edit(self, poster: str) -> None:
        """Edits a region of the poster; everything else stays pixel for pixel."""
        made = await self.studio.edit(
            _SKY, [poster], edit_type="inpaint", regions=[_AROUND_THE_SKY], **self.output
        )
        self._print("edit a region of the poster", made.images, made.cost)

    async def refine(self, poster: str) -> None:
        """Runs a session of two turns."""
        first = await self.studio.start_session("Evening light", [poster], **self.output)
        self._print("start a session", first.images, first.cost)
        session_id = first.session.session_id if first.session else ""
        second = await self.studio.continue_session(session_id, "Add a bicycle at the door")
        self._print("continue it", second.images, second.cost)

    async def batch(self) -> None:
        """Makes the same edit on both icons."""
        done = await self.studio.batch_edit("In dark blue and gold", self.icons, **self.output)
        for item in done.items:
            self._print(f"batch: {item.input}", item.images, item.cost)

    def _print(self, title: str, images: tuple[StoredImage, ...], cost: Cost | None) -> None:
        spent = cost.usd if cost and cost.usd is not None else Decimal(0)
        self.total += spent
        self.console.print_lines(
            [
                "",
                f"{title}: {_dollars(spent)}",
                *(f"  {image.location}  {image.width}x{image.height}" for image in images),
            ]
        )


def _dollars(amount: Decimal) -> str:
    return f"${amount:.4f}"
