"""Exports: an image becomes files of another format or size, or the set of files of a preset.

Everything happens on this machine. The source is only read, and no file is replaced unless that was asked.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from gpt_image_mcp.errors import InvalidArgument, StorageFailed
from gpt_image_mcp.folders import require_allowed, require_target
from gpt_image_mcp.imaging import svg
from gpt_image_mcp.imaging.animation import find_animation
from gpt_image_mcp.imaging.export_presets import ExportOptions, plan_targets, validate_options
from gpt_image_mcp.imaging.fit import fit_into
from gpt_image_mcp.imaging.formats import room_for
from gpt_image_mcp.imaging.limits import MAX_PIXELS
from gpt_image_mcp.imaging.normalise import damage_refused, decode_input, require_whole
from gpt_image_mcp.imaging.rendering import Rendered, css_colour, read_colour, render, require_writer
from gpt_image_mcp.imaging.source_type import find_source_type, source_type_of
from gpt_image_mcp.imaging.svg_drawing import rasterised, sanitised
from gpt_image_mcp.imaging.xmp import has_c2pa
from gpt_image_mcp.library import storage
from gpt_image_mcp.library.naming import clean_label
from gpt_image_mcp.object_paths import location
from gpt_image_mcp.references import classify
from gpt_image_mcp.services.export_places import (
    EXTENSIONS,
    choose_place,
    file_name,
    place_beside,
    with_named_format,
)
from gpt_image_mcp.services.web_icons import MANIFEST_NAME, icon_links, icon_manifest
from gpt_image_mcp.threads import in_drawing, in_folders, in_thread
from gpt_image_mcp.values.exports import ExportedFile, ExportResult
from gpt_image_mcp.values.pixels import Pixels

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Unpack

    from gpt_image_mcp.imaging.animation import Animation
    from gpt_image_mcp.imaging.decoding import Decoded
    from gpt_image_mcp.imaging.export_presets import Target
    from gpt_image_mcp.imaging.rendering import Colour
    from gpt_image_mcp.imaging.source_type import SourceType
    from gpt_image_mcp.services.export_places import Place
    from gpt_image_mcp.services.inputs import Inputs, Source
    from gpt_image_mcp.settings import Settings

# A drawn frame that waits to be written takes a fifth of what is reserved to decode one.
_HELD = 5
_MIME_TYPES = {"ico": "image/vnd.microsoft.icon", "svg": svg.MIME_TYPE}
_NAMELESS, _NO_PRESET = "image", "none"
# Without an output_format, a single file and the pictures to share keep that of the source.
_KEEPING = ("", "social")


class ExportArguments(TypedDict, total=False):
    """``ExportOptions`` as keyword arguments, for methods that take them one by one."""

    output_format: str
    width: int
    height: int
    fit: str
    preset: str
    background: str
    output_dir: str
    quality: int
    max_kb: float
    filename: str
    overwrite: bool


@dataclass(frozen=True, slots=True)
class _Picture:
    """A target and the file that was made for it."""

    target: Target
    rendered: Rendered

    @property
    def name(self) -> str:
        """The file's name, without what the source is called."""
        stem = self.target.name or str(self.rendered.size)
        return f"{stem}.{EXTENSIONS.get(self.target.output_format, self.target.output_format)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """An export that is not written yet; the size and the notes are the source's."""

    source: str
    size: Pixels
    preset: str
    pictures: tuple[_Picture, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exports:
    """Exports images."""

    settings: Settings
    inputs: Inputs

    async def run(self, ref: str, **options: Unpack[ExportArguments]) -> ExportResult:
        """Converts an image.

        Args:
            ref: Anything that can be an input image.
            **options: The fields of ``ExportOptions``.

        Raises:
            RequestError: If the image, the folder or an option cannot be used; nothing was written.
            StorageFailed: If a file could not be written.
        """
        chosen = with_named_format(ExportOptions(**options))
        chosen = replace(chosen, preset="") if chosen.preset == _NO_PRESET else chosen
        validate_options(chosen)
        background = read_colour(chosen.background)
        place = await in_folders(choose_place, chosen, self.settings)
        source = await self.inputs.read(ref)
        made = await in_drawing(_make, source, chosen, background)
        place = await in_folders(place_beside, source, place, self.settings)
        return await in_thread(_write, made, place, stem=_stem(source, ref), settings=self.settings)


def _stem(source: Source, ref: str) -> str:
    """The name of the source, as a part of a file name."""
    path = source.image.file_path if source.image else source.path
    return clean_label(path.stem if path else classify(ref).stem) or _NAMELESS


def _make(source: Source, options: ExportOptions, background: Colour | None) -> _Made:
    """Renders all files before any is written, so that a failure leaves nothing behind."""
    is_drawing = svg.is_svg(source.data)
    with damage_refused(source.label):
        kind, size = ("svg", svg.read_size(source.data)) if is_drawing else _pixels_of(source, options)
        targets = plan_targets(options, source=size, source_format=kind)
        for target in targets:
            require_writer(target.output_format)
        if is_drawing:
            rendered = [_drawn(source, target, size, background=background) for target in targets]
            notes = _source_notes(source)
        else:
            size, rendered, notes = _converted(source, targets, options, background=background)
    return _Made(
        source=source.label,
        size=size,
        preset=options.preset,
        pictures=tuple(map(_Picture, targets, rendered)),
        notes=(*notes, *_format_notes(options, kind, targets)),
    )


def _pixels_of(source: Source, options: ExportOptions) -> tuple[str, Pixels]:
    """The format and the size of a picture, which is no drawing and becomes none."""
    picture = require_whole(source.data, source=source.label)
    if options.output_format == "svg":
        message = f"output_format is svg, and {source.label} is a {picture.format}: pixels become no drawing."
        raise InvalidArgument(message, next_step="Pass png, jpeg, webp, avif or ico.")
    # Which way up it is changes no plan: of an ico, the longer and the shorter edge count.
    return picture.format, Pixels(picture.width, picture.height)


def _converted(
    source: Source, targets: Sequence[Target], options: ExportOptions, *, background: Colour | None
) -> tuple[Pixels, list[Rendered], list[str]]:
    """The size of a picture, its files, and what happened to it."""
    animation = find_animation(source.data) if targets[0].output_format == "webp" else None
    asked = options.width * options.height or max(options.width, options.height) ** 2
    drawn = asked if asked <= MAX_PIXELS else 0  # more is refused before it is drawn
    if animation:
        drawn += (drawn or animation.size.area) * animation.count // _HELD
    with room_for(source.data, more_pixels=drawn):
        decoded = decode_input(source.data, source=source.label)
        made_by = _source_type(source)
        rendered = [
            render(decoded.image, target, background=background, source_type=made_by, animation=animation)
            for target in targets
        ]
    return Pixels(*decoded.image.size), rendered, _source_notes(source, decoded, animation)


def _drawn(source: Source, target: Target, own: Pixels, *, background: Colour | None) -> Rendered:
    """A file of an SVG: drawn at the size that it has there, or for an svg the cleaned copy."""
    if target.output_format == "svg":
        return Rendered(data=sanitised(source.data), size=own)
    place = fit_into(own, target.box, fit=target.fit, fills_box=target.fills_box)
    edge = math.ceil(round(max(own) * place.magnification, 3))
    drawn = rasterised(source.data, edge)
    with room_for(drawn, more_pixels=place.canvas.area if place.canvas.area <= MAX_PIXELS else 0):
        image = decode_input(drawn, source=source.label).image
        done = render(image, target, background=background, source_type=_source_type(source))
    return done if edge > svg.LARGEST_EDGE else replace(done, is_enlarged=False)


def _source_type(source: Source) -> SourceType:
    """How AI took part in the source, as the library knows it or its file says; empty for other pictures."""
    return source_type_of(source.image.provenance.kind) if source.image else find_source_type(source.data)


def _write(made: _Made, place: Place, *, stem: str, settings: Settings) -> ExportResult:
    folder = require_allowed(storage.require_writable(place.folder), settings)  # by now it may be a link
    try:
        if made.preset:
            folder = storage.make_folder(folder, f"{stem}-{made.preset}")
            files = tuple(_saved(entry, folder, name=entry.name) for entry in made.pictures)
            return _with_manifest(_result(made, folder, files))
        (entry,) = made.pictures
        name = file_name(place, entry.target.output_format) if place.filename else f"{stem}-{entry.name}"
        if place.overwrite:
            require_target(folder / name, settings, overwrite=True)
        file = _saved(entry, folder, name=name, overwrite=place.overwrite)
    except OSError as error:
        message = f"The export could not be written to {location(folder)}: {error.strerror or error}."
        raise StorageFailed(message, next_step="Free some space, or pass another output_dir.") from error
    result = _result(made, folder, (file,))
    if not place.filename or file.file_path.name == name or place.overwrite:
        return result
    note = f"The name {name} was taken; the file is {file.file_path.name}."
    return replace(result, notes=(*result.notes, note))


def _result(made: _Made, folder: Path, files: tuple[ExportedFile, ...]) -> ExportResult:
    fills = {css_colour(entry.rendered.fill): None for entry in made.pictures if entry.rendered.fill}
    return ExportResult(
        source=made.source,
        folder=folder,
        preset=made.preset,
        files=files,
        notes=(*made.notes, *_file_notes(made, files)),
        background=", ".join(fills),
    )


def _with_manifest(result: ExportResult) -> ExportResult:
    """A favicon set with its manifest, which is written beside it, and the lines for a page."""
    if result.preset != "favicon":
        return result
    manifest = icon_manifest(result.files)
    path = storage.write_exclusive(result.folder, [MANIFEST_NAME], f"{manifest}\n".encode())
    return replace(result, html=icon_links(result.files), manifest=manifest, manifest_path=path)


def _saved(entry: _Picture, folder: Path, *, name: str, overwrite: bool = False) -> ExportedFile:
    path, data, size = Path(name), entry.rendered.data, entry.rendered.size
    numbered = (f"{path.stem}-{count}{path.suffix}" for count in itertools.count(2))
    names = itertools.chain([name], numbered)
    output_format = entry.target.output_format
    return ExportedFile(
        file_path=storage.write_over(folder / name, data, follows_links=True)
        if overwrite
        else storage.write_exclusive(folder, names, data),
        size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        mime_type=_MIME_TYPES.get(output_format, f"image/{output_format}"),
        width=size.width,
        height=size.height,
    )


def _source_notes(
    source: Source, decoded: Decoded | None = None, animation: Animation | None = None
) -> list[str]:
    notes = list(source.notes)
    if source.image and source.sha256 != source.image.sha256:
        notes.append(
            f"Image {source.image.id} was changed since it was made; the file as it is now was used."
        )
    if animation:
        notes.append(f"All {animation.count} frames of the animation were written.")
    elif decoded and decoded.is_animated:
        notes.append("The source is animated; its first frame was used, and the rest is left out.")
    if decoded and decoded.is_recoloured:
        notes.append("The colours were converted from the source's profile to sRGB.")
    if has_c2pa(source.data):
        notes.append("The source carries signed C2PA provenance, which is lost in every converted file.")
    return notes


def _format_notes(options: ExportOptions, source_format: str, targets: Sequence[Target]) -> list[str]:
    """A note if the source's format was to be kept and cannot be written; on an svg, what is left out."""
    if options.output_format == "svg":
        return ["The svg is a copy without scripts, animations, links and references to other files."]
    if options.output_format or options.preset not in _KEEPING or targets[0].output_format == source_format:
        return []
    if options.preset:
        return [f"Not every network shows {source_format}, so the files are PNGs; output_format chooses."]
    if source_format == "svg":
        return ["The export is a PNG; output_format svg would write a cleaned copy of the drawing."]
    return [f"{source_format} is not written, so the export is a PNG."]


def _file_notes(made: _Made, files: Sequence[ExportedFile]) -> list[str]:
    """What happened to the picture, a sentence for each kind of thing, with the files it happened in."""
    rendered = [(entry.rendered, file) for entry, file in zip(made.pictures, files, strict=True)]
    enlarged = ", ".join(
        f"{file.file_path.name} to {picture.size}" for picture, file in rendered if picture.is_enlarged
    )
    cropped = _names(file for picture, file in rendered if picture.is_cropped)
    notes: list[str] = []
    if enlarged:
        notes.append(f"Enlarged from a source of {made.size}, so not as sharp as it could be: {enlarged}.")
    if cropped:
        notes.append(f"Cropped in the middle: {cropped}; fit contain keeps the whole picture.")
    return [*notes, *_fill_notes(rendered), *_limit_notes(made, rendered)]


def _fill_notes(rendered: Sequence[tuple[Rendered, ExportedFile]]) -> list[str]:
    """Which colour is where the picture is not."""
    notes: list[str] = []
    for fill in dict.fromkeys(picture.fill for picture, _ in rendered if picture.fill):
        filled = [(picture, file) for picture, file in rendered if picture.fill == fill]
        barred = _names(file for picture, file in filled if picture.is_barred)
        flattened = _names(file for picture, file in filled if picture.is_flattened)
        colour = css_colour(fill)
        if barred:
            notes.append(
                f"Bars of {colour} were added: {barred}; background chooses their colour, fit cover has none."
            )
        if flattened:
            notes.append(
                f"Transparency was filled with {colour}: {flattened}; background chooses the colour."
            )
    return notes


def _limit_notes(made: _Made, rendered: Sequence[tuple[Rendered, ExportedFile]]) -> list[str]:
    """What was given up to stay within a limit of bytes."""
    notes: list[str] = []
    for entry, (picture, file) in zip(made.pictures, rendered, strict=True):
        name, limit = file.file_path.name, f"max_kb {entry.target.max_bytes / 1000:g}"
        if entry.target.max_bytes and picture.quality:
            notes.append(f"{name} has quality {picture.quality} within {limit}.")
        if picture.shrunk_from:
            more = "" if picture.quality else " A png has no quality; webp or jpeg would keep more pixels."
            notes.append(
                f"{name} was made smaller for {limit}: {picture.size}, not {picture.shrunk_from}.{more}"
            )
    return notes


def _names(files: Iterable[ExportedFile]) -> str:
    return ", ".join(file.file_path.name for file in files)
