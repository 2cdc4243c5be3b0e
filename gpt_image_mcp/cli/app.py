"""The command line: each command states its arguments, asks the studio and prints.

Exit codes: 0 done, 1 failed (message and next step on stderr), 2 usage. Results go to stdout, everything
else to stderr.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

from cyclopts import App, CycloptsError, Parameter

from gpt_image_mcp.cli.commands.config import config
from gpt_image_mcp.cli.commands.doctor import doctor
from gpt_image_mcp.cli.commands.estimate import estimate
from gpt_image_mcp.cli.commands.gallery import gallery
from gpt_image_mcp.cli.commands.history import history
from gpt_image_mcp.cli.commands.serve import serve
from gpt_image_mcp.cli.console import Console
from gpt_image_mcp.cli.manifests import read_manifest
from gpt_image_mcp.coercion import as_list
from gpt_image_mcp.dates import today
from gpt_image_mcp.errors import ImageError, InvalidArgument, InvalidSetting, OutputRejected
from gpt_image_mcp.presentation.structured import batch_content, images_content
from gpt_image_mcp.presentation.text import batch_text, images_text
from gpt_image_mcp.services.globbing import MOST_FILES
from gpt_image_mcp.settings import Settings, read_settings
from gpt_image_mcp.studio import Studio
from gpt_image_mcp.values.options import OutputArguments, OutputOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpt_image_mcp.services.batches import BatchItem
    from gpt_image_mcp.values.results import ImageResult

EXIT_DONE, EXIT_FAILED, EXIT_USAGE = 0, 1, 2
_AFTER_IMAGES = "gpt-image-mcp edit changes an image; gpt-image-mcp history show tells all about it."
_AFTER_FAILURES = "Correct what the failed ones say, and run the command again with those only."
_FORMAT_OF_SUFFIX = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
_SUFFIX_OF_FORMAT = {name: suffix for suffix, name in _FORMAT_OF_SUFFIX.items() if suffix != ".jpeg"}

app = App(
    name="gpt-image-mcp",
    help="OpenAI's gpt-image models as an MCP server and on the command line. Without a command it serves "
    "MCP over stdio.",
    help_format="plaintext",
    version=version("gpt-image-mcp-server"),
    result_action="return_value",
)

AsJson = Annotated[bool, Parameter(name="--json", negative="")]
InSandbox = Annotated[bool, Parameter(name="--sandbox", negative="")]
File = Annotated[Path | None, Parameter(name=["--output", "-o"])]
Regions = Annotated[tuple[str, ...], Parameter(name="--region", negative="", consume_multiple=False)]
Options = Annotated[OutputOptions, Parameter(name="*")]
_DEFAULTS = OutputOptions()


def run(arguments: Sequence[str]) -> int:
    """Runs one command line and returns its exit code."""
    console = Console()
    try:
        return int(app(list(arguments), exit_on_error=False, print_error=False) or EXIT_DONE)
    except CycloptsError as error:
        console.say_error(f"{error}\nNext: gpt-image-mcp --help lists the commands and their arguments.")
        return EXIT_USAGE
    except InvalidSetting as error:
        console.say_error(str(error))
        return EXIT_USAGE
    except ImageError as error:
        console.say_error(str(error))
        return EXIT_FAILED
    except KeyboardInterrupt:
        console.say_error("Interrupted. A request that was already sent may still be billed.")
        return EXIT_FAILED


app.command(estimate)
app.command(history)
app.command(serve)
app.command(config)
app.command(gallery)
app.command(doctor)


@app.command
async def generate(
    prompt: str,
    *,
    options: Options = _DEFAULTS,
    output: File = None,
    moderation: Literal["auto", "low"] = "auto",
    as_json: AsJson = False,
    sandbox: InSandbox = False,
) -> int:
    """Make images from a prompt and print their paths.

    Args:
        prompt: What to show.
        options: How the images should be.
        output: The file to write; its extension chooses the format.
        moderation: How strictly OpenAI moderates.
        as_json: Print the structured result on stdout.
        sandbox: Use the built-in stand-in: no key, no network, no cost.
    """
    options = _aimed_at(output, options)
    console = Console()
    async with Studio(_settings(sandbox=sandbox)) as studio:
        with console.progress() as watch:
            result = await studio.generate(prompt, moderation=moderation, watch=watch, **_arguments(options))
    _print_result(result, console, as_json=as_json)
    return EXIT_DONE


@app.command
async def edit(
    prompt: str,
    images: Annotated[list[str], Parameter(negative="")],
    /,
    *,
    options: Options = _DEFAULTS,
    output: File = None,
    mask: str = "",
    region: Regions = (),
    edit_type: str = "free",
    input_fidelity: str = "auto",
    keep_unmasked: bool = True,
    as_json: AsJson = False,
    sandbox: InSandbox = False,
) -> int:
    """Change an image, or combine several, and print the paths of the results.

    Args:
        prompt: What to change.
        images: Files, addresses or image ids; the first is the one edited.
        options: How the results should be.
        output: The file to write; its extension chooses the format.
        mask: A file whose transparent (or, in black and white, white) pixels are edited.
        region: A part to edit, as JSON such as {"shape": "ellipse", "box": [0.2, 0.2, 0.8, 0.8]}; may be
            given more than once.
        edit_type: free, inpaint, outpaint, variation, style_transfer, object_removal, background_change,
            color_adjustment or enhancement.
        input_fidelity: auto, low or high, for the models that take it.
        keep_unmasked: Put the original pixels back outside mask and regions.
        as_json: Print the structured result on stdout.
        sandbox: Use the built-in stand-in: no key, no network, no cost.
    """
    options = _aimed_at(output, options)
    console = Console()
    async with Studio(_settings(sandbox=sandbox)) as studio:
        with console.progress() as watch:
            result = await studio.edit(
                prompt,
                images,
                mask=mask,
                regions=_regions(region),
                edit_type=edit_type,
                input_fidelity=input_fidelity,
                keep_unmasked=keep_unmasked,
                watch=watch,
                **_arguments(options),
            )
    _print_result(result, console, as_json=as_json)
    return EXIT_DONE


@app.command
async def batch(
    prompt: str = "",
    images: Annotated[list[str] | None, Parameter(negative="")] = None,
    /,
    *,
    options: Options = _DEFAULTS,
    manifest: Annotated[Path | None, Parameter(negative="", allow_leading_hyphen=True)] = None,
    edit_type: str = "free",
    on_error: Literal["continue", "stop"] = "continue",
    concurrency: int = 3,
    as_json: AsJson = False,
    sandbox: InSandbox = False,
) -> int:
    """Make the same edit on many images, or those that a manifest lists; print the paths of the results.

    Args:
        prompt: What to change; with a manifest, for its lines without a prompt.
        images: Files, folders, globs, addresses or image ids, 100 at most.
        options: How the results should be.
        manifest: A file with a JSON object a line: image, and where they differ prompt and options; - reads
            it from stdin.
        edit_type: As for edit.
        on_error: continue, or stop to begin no further image after a failure.
        concurrency: How many images at once.
        as_json: Print the structured result on stdout.
        sandbox: Use the built-in stand-in: no key, no network, no cost.
    """
    console = Console()
    async with Studio(_settings(sandbox=sandbox)) as studio:
        with console.progress() as watch:
            if manifest is None:
                result = await studio.batch_edit(
                    prompt,
                    images or [],
                    edit_type=edit_type,
                    on_error=on_error,
                    concurrency=concurrency,
                    watch=watch,
                    **_arguments(options),
                )
            else:
                items = _listed(manifest, images, prompt=prompt, options=options)
                result = await studio.edit_each(
                    items, on_error=on_error, concurrency=concurrency, watch=watch
                )
    is_done = all(item.status == "completed" for item in result.items)
    step = _AFTER_IMAGES if is_done else _AFTER_FAILURES
    if as_json:
        console.print_json(batch_content(result, next_step=step))
    else:
        console.say(batch_text(result, step))
        console.print_lines(str(image.file_path) for item in result.items for image in item.images)
    return EXIT_DONE if is_done else EXIT_FAILED


@app.command
def models() -> int:
    """List the models: what each accepts and costs."""
    from gpt_image_mcp.catalogue.models import load_catalogue

    Console().print_models(load_catalogue(), today=today())
    return EXIT_DONE


@app.command
async def demo(*, output_dir: str = "") -> int:
    """Show the main job in the sandbox: no key, no network, no cost.

    Args:
        output_dir: Folder for the images; empty takes the configured one.
    """
    from gpt_image_mcp.cli.demo import run_demo

    await run_demo(output_dir, Console())
    return EXIT_DONE


def _print_result(result: ImageResult, console: Console, *, as_json: bool) -> None:
    if as_json:
        console.print_json(images_content(result, next_step=_AFTER_IMAGES))
        return
    console.say(images_text(result, _AFTER_IMAGES))
    console.print_lines(str(image.file_path) for image in result.images)


def _regions(texts: Sequence[str]) -> list[object]:
    """Regions from JSON texts, each an object or a list of them."""
    return [region for text in texts for region in cast("list[object]", as_list(text))]


def _listed(
    manifest: Path, images: list[str] | None, *, prompt: str, options: OutputOptions
) -> tuple[BatchItem, ...]:
    """The items of a manifest.

    Raises:
        InvalidArgument: If images are named besides, the file cannot be read, or a line is malformed.
    """
    if images:
        message = "Images were passed besides --manifest."
        raise InvalidArgument(message, next_step="Put them into the manifest, or leave it out.")
    try:
        text = sys.stdin.read() if str(manifest) == "-" else manifest.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        message = f"The manifest {manifest} cannot be read: {error}."
        raise InvalidArgument(message, next_step="Pass a UTF-8 file with a JSON object a line.") from error
    items = read_manifest(text.splitlines(), prompt=prompt, output=options)
    if not 1 <= len(items) <= MOST_FILES:
        message = f"The manifest lists {len(items)} images; it must be 1 to {MOST_FILES}."
        raise InvalidArgument(message, next_step="Split it into several calls.")
    return items


def _settings(*, sandbox: bool) -> Settings:
    settings = read_settings()
    return settings.model_copy(update={"sandbox": True}) if sandbox else settings


def _aimed_at(output: Path | None, options: OutputOptions) -> OutputOptions:
    """The options with folder, name and format of ``--output``."""
    if output is None:
        return options
    output = output.expanduser()
    suffix = output.suffix.lower() or _SUFFIX_OF_FORMAT.get(options.output_format, ".png")
    if suffix not in _FORMAT_OF_SUFFIX:
        message = f"{output.name} ends with {suffix}, and images are made as {', '.join(_FORMAT_OF_SUFFIX)}."
        raise OutputRejected(message, next_step="Choose one of these endings.")
    output = output.with_suffix(suffix)
    if output.exists() and not options.overwrite:
        message = f"The file {output} exists."
        raise OutputRejected(message, next_step="Choose another --output, or pass --overwrite.")
    return replace(
        options,
        output_dir=str(output.absolute().parent),
        filename=output.name,
        output_format=_FORMAT_OF_SUFFIX[suffix],
    )


def _arguments(options: OutputOptions) -> OutputArguments:
    return OutputArguments(
        model=options.model,
        size=options.size,
        quality=options.quality,
        n=options.n,
        background=options.background,
        output_format=options.output_format,
        output_compression=options.output_compression,
        output_dir=options.output_dir,
        filename_prefix=options.filename_prefix,
        filename=options.filename,
        user=options.user,
        overwrite=options.overwrite,
    )
