"""Export presets: which files an export makes, one converted image or the set of a preset.

The sets follow what is asked for today:

- favicon: ``favicon.ico`` for programs that look for that name, PNGs for browsers, 180 pixels for iOS home
  screens, 192 and 512 for web app manifests (developer.mozilla.org and web.dev, on icons). Transparency
  stays, except at 180, where iOS would put black behind it.
- app_icon: 1024 for the App Store, 512 for Google Play, smaller ones for screens; all opaque, because Apple
  refuses transparent icons (developer.apple.com, Human Interface Guidelines, App icons).
- social: link preview 1200x630 (ogp.me and the networks' guides), square and story posts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast, get_args

from gpt_image_mcp.errors import InvalidArgument, quoted
from gpt_image_mcp.imaging.fit import Fit
from gpt_image_mcp.values.pixels import Pixels

LONGEST_EDGE = 16_383
_OF_PIXELS = ("png", "jpeg", "webp", "avif", "ico")
_FORMATS = (*_OF_PIXELS, "svg")
_PRESETS = ("favicon", "app_icon", "social")
_WITH_QUALITY = ("jpeg", "webp", "avif")
_BYTES_PER_KB = 1000
_MOST_KB = 1_000_000
_FITS = ("auto", *get_args(Fit))
_ANY_SIZE = Pixels(0, 0)
# What pages and networks show in a link preview.
_SHAREABLE = ("png", "jpeg")
_LARGEST_ICON = 256
_BEST_QUALITY = 100
_ICON_EDGES = (16, 32, 48, 64, 128, 256)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What a caller asks of an export.

    Attributes:
        output_format: png, jpeg, webp, avif or ico, of an SVG also svg; empty keeps that of the source, and
            makes an SVG a PNG.
        width: Pixels; 0 follows from the height, and if both are 0 the source's own size is kept.
        height: Likewise.
        fit: contain shows all of the picture inside the box, cover fills the box and crops, stretch distorts;
            auto means cover for presets, else contain.
        preset: favicon, app_icon or social: a set of files instead of one.
        background: A colour that transparency is flattened onto and that fills the bars of contain;
            ``transparent`` makes transparent bars; empty keeps transparency and makes no bars.
        output_dir: Folder for the files; empty takes that of a source in the project, else the usual one.
        quality: 1 to 100, for jpeg, webp and avif; 0 takes one at which no difference is visible.
        max_kb: The most that a file may have, in thousands of bytes: the quality goes down, then the size if
            neither width nor height is given. 0 for no limit.
        filename: An exact name instead of one made from the source's; its ending is the format.
        overwrite: Whether a file of the exact name is replaced.
    """

    output_format: str = ""
    width: int = 0
    height: int = 0
    fit: str = "auto"
    preset: str = ""
    background: str = ""
    output_dir: str = ""
    quality: int = 0
    max_kb: float = 0
    filename: str = ""
    overwrite: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One file to make.

    Attributes:
        name: Without extension; empty for one that is named after its size.
        box: The size wanted; an edge of 0 follows from the other, and two keep the picture's own.
        icon_edges: For an ico, the sizes of the square pictures in it, smallest first.
        is_opaque: Whether transparency has to go.
        fills_box: Whether bars complete a picture that does not fill the box.
        quality: The best to write; 0 for the usual one.
        max_bytes: What the file may have; 0 for no limit.
        may_shrink: Whether it may have fewer pixels than the box to stay within that.
    """

    output_format: str
    name: str = ""
    box: Pixels = _ANY_SIZE
    icon_edges: tuple[int, ...] = ()
    fit: Fit = "contain"
    is_opaque: bool = False
    fills_box: bool = False
    quality: int = 0
    max_bytes: int = 0
    may_shrink: bool = False


def validate_options(options: ExportOptions) -> None:
    """Refuses options that are unknown or contradict each other.

    Raises:
        InvalidArgument: If they are.
    """
    _require_known("output_format", options.output_format, ("", *_FORMATS))
    _require_known("preset", options.preset, ("", *_PRESETS))
    _require_known("fit", options.fit, _FITS)
    for name, edge in (("width", options.width), ("height", options.height)):
        if not 0 <= edge <= LONGEST_EDGE:
            message = f"{name} is {edge}; it must be from 0 (follows from the other) to {LONGEST_EDGE}."
            raise InvalidArgument(message, next_step="Pass a size in pixels.")
    _require_quality(options)
    if options.preset and options.filename:
        message = f"The preset {options.preset} has names of its own, so filename cannot be chosen."
        raise InvalidArgument(message, next_step="Leave out filename, and name a folder as output_dir.")
    if options.preset and (options.width or options.height):
        message = f"The preset {options.preset} has sizes of its own, so width and height cannot be chosen."
        raise InvalidArgument(message, next_step="Leave out preset, or width and height.")
    if options.preset in ("favicon", "app_icon") and options.output_format:
        message = f"The preset {options.preset} has formats of its own, so output_format cannot be chosen."
        raise InvalidArgument(message, next_step="Leave out preset or output_format.")
    if options.preset == "social" and options.output_format == "ico":
        message = "An ico is an icon, and the preset social makes pictures to share."
        raise InvalidArgument(message, next_step="Leave out output_format, or pass png or jpeg.")
    if options.output_format == "ico":
        _require_icon_size(options)
    if options.output_format == "svg":
        _require_no_pixels(options)


def plan_targets(options: ExportOptions, *, source: Pixels, source_format: str) -> tuple[Target, ...]:
    """The files to make of an image.

    Args:
        options: Checked ones.
        source: The image's size.
        source_format: The format of its file.
    """
    targets = _targets(options, source=source, source_format=source_format)
    limit = int(options.max_kb * _BYTES_PER_KB)
    may_shrink = not (options.preset or options.width or options.height)
    for target in targets:
        _require_adjustable(options, target)
    return tuple(
        replace(target, quality=options.quality, max_bytes=limit, may_shrink=may_shrink) for target in targets
    )


def _targets(options: ExportOptions, *, source: Pixels, source_format: str) -> tuple[Target, ...]:
    usual: Fit = "cover" if options.preset else "contain"
    fit = usual if options.fit == "auto" else cast("Fit", options.fit)
    output_format = options.output_format or (source_format if source_format in _OF_PIXELS else "png")
    if options.preset:
        shared = options.output_format or (source_format if source_format in _SHAREABLE else "png")
        targets = _PRESET_TARGETS[options.preset]
        if options.preset == "social":
            targets = tuple(replace(target, output_format=shared) for target in targets)
        return tuple(replace(target, fit=fit, fills_box=True) for target in targets)
    if output_format == "ico":
        return (_icon(options, source, fit),)
    box = Pixels(options.width, options.height)
    fills_box = bool(options.background) and _ANY_SIZE.width not in box
    return (Target(output_format=output_format, box=box, fit=fit, fills_box=fills_box),)


def _icon(options: ExportOptions, source: Pixels, fit: Fit) -> Target:
    """An ico of the size asked for, or the largest that enlarges nothing, with the usual smaller ones too."""
    own = max(source) if fit == "contain" else min(source)
    edge = max(options.width, options.height) or min(_LARGEST_ICON, own)
    edges = (*(usual for usual in _ICON_EDGES if usual < edge), edge)
    return Target(output_format="ico", box=Pixels(edge, edge), icon_edges=edges, fit=fit, fills_box=True)


def _require_known(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        choices = ", ".join(choice for choice in known if choice)
        message = f"{name} is {quoted(value)}; it must be one of {choices}."
        raise InvalidArgument(message, next_step=f"Pass another {name}, or leave it out.")


def _require_quality(options: ExportOptions) -> None:
    """Refuses a quality or a limit of bytes that is none."""
    if not 0 <= options.quality <= _BEST_QUALITY:
        message = f"quality is {options.quality}; it goes from 1 to {_BEST_QUALITY}, and 0 is the usual one."
        raise InvalidArgument(message, next_step="Pass 70 to 90 for a page, or leave it out.")
    if options.max_kb and not 1 <= options.max_kb <= _MOST_KB:
        message = f"max_kb is {options.max_kb:g}; it goes from 1 to {_MOST_KB:,} kB (of 1,000 bytes)."
        raise InvalidArgument(message, next_step="Pass a limit such as 200, or leave it out.")


def _require_adjustable(options: ExportOptions, target: Target) -> None:
    """Refuses a quality for a format that has none, and a limit for files that must be as they are."""
    kind = target.output_format
    if options.quality and kind not in _WITH_QUALITY:
        message = f"quality is {options.quality}, and {kind} files have none."
        raise InvalidArgument(message, next_step="Pass output_format webp or jpeg, or leave out quality.")
    if options.max_kb and kind == "ico":
        message = f"max_kb is {options.max_kb:g}, and the size of an ico follows from its pictures."
        raise InvalidArgument(message, next_step="Leave out max_kb, or pass another output_format.")


def _require_no_pixels(options: ExportOptions) -> None:
    named = ("preset", "width", "height", "background", "quality", "max_kb")
    given = [name for name in named if getattr(options, name)]
    if given:
        message = f"{given[0]} is given, and an svg is a drawing of no size in pixels or bytes."
        raise InvalidArgument(
            message, next_step=f"Leave out {' and '.join(given)}, or pass another output_format."
        )


def _require_icon_size(options: ExportOptions) -> None:
    edges = {edge for edge in (options.width, options.height) if edge}
    if len(edges) > 1 or max(edges, default=0) > _LARGEST_ICON:
        message = f"An ico is square and at most {_LARGEST_ICON} pixels wide, not {max(edges)}x{min(edges)}."
        if len(edges) == 1:
            message = f"An ico is at most {_LARGEST_ICON} pixels wide, not {max(edges)}."
        raise InvalidArgument(message, next_step="Pass one width up to 256, or another output_format.")


def _square(name: str, edge: int, *, is_opaque: bool = False) -> Target:
    return Target(output_format="png", name=name, box=Pixels(edge, edge), is_opaque=is_opaque)


_PRESET_TARGETS: dict[str, tuple[Target, ...]] = {
    "favicon": (
        Target(output_format="ico", name="favicon", box=Pixels(48, 48), icon_edges=(16, 32, 48)),
        *(_square(f"favicon-{edge}x{edge}", edge) for edge in (16, 32, 48)),
        _square("apple-touch-icon", 180, is_opaque=True),
        *(_square(f"icon-{edge}x{edge}", edge) for edge in (192, 512)),
    ),
    "app_icon": tuple(
        _square(f"icon-{edge}x{edge}", edge, is_opaque=True) for edge in (1024, 512, 256, 180, 120)
    ),
    "social": (
        Target(output_format="png", name="og-1200x630", box=Pixels(1200, 630)),
        Target(output_format="png", name="square-1080x1080", box=Pixels(1080, 1080)),
        Target(output_format="png", name="story-1080x1920", box=Pixels(1080, 1920)),
    ),
}
