"""The commands that make and change images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, cast

from cyclopts import Parameter

from gpt_image_mcp.cli.commands.parameters import DEFAULTS, AsJson, InSandbox, Options, OutputFile
from gpt_image_mcp.cli.console import Console
from gpt_image_mcp.cli.output_file import written_to
from gpt_image_mcp.coercion import as_list
from gpt_image_mcp.presentation.structured import images_content
from gpt_image_mcp.presentation.text import images_text
from gpt_image_mcp.settings import read_settings
from gpt_image_mcp.studio import Studio

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpt_image_mcp.values.results import ImageResult

NEXT_STEP = "gpt-image-mcp edit changes an image; gpt-image-mcp history show tells all about it."


async def generate(
    prompt: str,
    *,
    options: Options = DEFAULTS,
    output: OutputFile = "",
    moderation: Literal["auto", "low"] = "auto",
    as_json: AsJson = False,
    sandbox: InSandbox = False,
) -> int:
    """Make images from a prompt and print their paths.

    Args:
        prompt: What to show.
        options: How the images should be.
        output: The file to write, whose extension chooses the format; or a folder, with / at its end.
        moderation: How strictly OpenAI moderates.
        as_json: Print the structured result on stdout.
        sandbox: Use the built-in stand-in: no key, no network, no cost.
    """
    options = written_to(options, output)
    console = Console()
    async with Studio(read_settings(sandbox=sandbox)) as studio:
        with console.progress() as watch:
            result = await studio.generate(prompt, moderation=moderation, watch=watch, **options.arguments())
    _print_result(result, console, as_json=as_json)
    return 0


async def edit(
    prompt: str,
    images: Annotated[list[str], Parameter(negative="")],
    /,
    *,
    options: Options = DEFAULTS,
    output: OutputFile = "",
    mask: str = "",
    region: Annotated[tuple[str, ...], Parameter(name="--region", negative="", consume_multiple=False)] = (),
    edit_type: str = "free",
    input_fidelity: str = "auto",
    keep_unmasked: bool = True,
    markup: str = "",
    marks: str = "",
    as_json: AsJson = False,
    sandbox: InSandbox = False,
) -> int:
    """Change an image, or combine several, and print the paths of the results.

    Args:
        prompt: What to change.
        images: Files, addresses or image ids; the first is the one edited.
        options: How the results should be.
        output: The file to write, whose extension chooses the format; or a folder, with / at its end.
        mask: A file whose transparent (or, in black and white, white) pixels are edited.
        region: A part to edit, as JSON such as {"shape": "ellipse", "box": [0.2, 0.2, 0.8, 0.8]}; may be
            given more than once.
        edit_type: free, inpaint, outpaint, variation, style_transfer, object_removal, background_change,
            color_adjustment or enhancement.
        input_fidelity: auto, low or high, for the models that take it.
        keep_unmasked: Put the original pixels back outside mask and regions.
        markup: A transparent PNG of the first image's size with hints drawn on it.
        marks: Such hints to be drawn, as JSON such as [{"shape": "arrow", "points": [[0.2, 0.3], [0.7, 0.6]],
            "text": "move here"}].
        as_json: Print the structured result on stdout.
        sandbox: Use the built-in stand-in: no key, no network, no cost.
    """
    options = written_to(options, output)
    console = Console()
    async with Studio(read_settings(sandbox=sandbox)) as studio:
        with console.progress() as watch:
            result = await studio.edit(
                prompt,
                images,
                mask=mask,
                regions=_objects(region),
                edit_type=edit_type,
                input_fidelity=input_fidelity,
                keep_unmasked=keep_unmasked,
                markup=markup,
                marks=_objects([marks]),
                watch=watch,
                **options.arguments(),
            )
    _print_result(result, console, as_json=as_json)
    return 0


def _print_result(result: ImageResult, console: Console, *, as_json: bool) -> None:
    if as_json:
        console.print_json(images_content(result, next_step=NEXT_STEP))
        return
    console.say(*images_text(result, NEXT_STEP).split("\n"))
    console.print_lines(image.location for image in result.images)


def _objects(texts: Iterable[str]) -> list[object]:
    """The regions or marks of options, each of which is a JSON object or a list of them."""
    return [item for text in texts for item in cast("list[object]", as_list(text))]
