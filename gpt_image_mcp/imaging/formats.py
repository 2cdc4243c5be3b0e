"""What a file's bytes are: the format and pixel size, read from the header without decoding."""

from __future__ import annotations

import importlib
import re
import struct
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from gpt_image_mcp.imaging.limits import BoundedStream, require_decodable, require_openable
from gpt_image_mcp.imaging.svg import MIME_TYPE, has_end, is_svg, read_size
from gpt_image_mcp.memory import BYTES_PER_PIXEL, MEMORY
from gpt_image_mcp.pillow_errors import DamagedImage, Oversized, unify_pillow_errors
from gpt_image_mcp.values.images import Picture

if TYPE_CHECKING:
    from collections.abc import Generator

    from PIL import ImageFile

_RIFF_HEADER_BYTES = 8
# A chunk of a PNG is framed by its length, its name and its checksum.
_PNG_SIGNATURE_BYTES, _CHUNK_FRAME_BYTES = 8, 12
_PNG_SIZE_OFFSET, _PNG_BIT_DEPTH_OFFSET, _EIGHT_BITS = 16, 24, 8
# Where an AVIF says that one of its items is Exif: ISO/IEC 14496-12, 8.11.6, versions 2 and 3.
_EXIF_ITEM = re.compile(rb"Exif(?:(?<=infe\x02.{7}Exif)|(?<=infe\x03.{9}Exif))", re.DOTALL)
# What the directory of a TIFF leads to: those of Exif, GPS and interoperability.
_NESTED_DIRECTORIES = (0x8769, 0x8825, 0xA005)


class _Format(NamedTuple):
    """A format this package handles.

    Attributes:
        signature: What its files begin with.
        plugin: The module that reads it. Pillow would otherwise import all of its forty.
        opener: Pillow's name for it.
    """

    name: str
    signature: re.Pattern[bytes]
    plugin: str
    extension: str
    opener: str


def _ftyp(brands: bytes) -> re.Pattern[bytes]:
    """The signature of a file in the ISO container, of one of these brands."""
    return re.compile(rb"....ftyp" + brands, re.DOTALL)


_FORMATS = (
    _Format("png", re.compile(rb"\x89PNG\r\n\x1a\n"), "PIL.PngImagePlugin", "png", "PNG"),
    _Format("jpeg", re.compile(rb"\xff\xd8\xff"), "PIL.JpegImagePlugin", "jpg", "JPEG"),
    _Format("webp", re.compile(rb"RIFF....WEBP", re.DOTALL), "PIL.WebPImagePlugin", "webp", "WEBP"),
    _Format("gif", re.compile(rb"GIF8[79]a"), "PIL.GifImagePlugin", "gif", "GIF"),
    _Format("bmp", re.compile(rb"BM"), "PIL.BmpImagePlugin", "bmp", "BMP"),
    _Format("tiff", re.compile(rb"II[*+]\0|MM\0[*+]"), "PIL.TiffImagePlugin", "tif", "TIFF"),
    _Format("avif", _ftyp(rb"(avif|avis|mif1.{4,40}avif)"), "PIL.AvifImagePlugin", "avif", "AVIF"),
    _Format("ico", re.compile(rb"\x00\x00\x01\x00"), "PIL.IcoImagePlugin", "ico", "ICO"),
    # Read where the optional package pillow-heif is installed.
    _Format("heic", _ftyp(rb"(hei[cxms]|hev[cx]|mif1|msf1)"), "pillow_heif", "heic", "HEIF"),
)


def read_picture(data: bytes) -> Picture | None:
    """What the bytes are; None if they are no image of a kind that this package handles.

    One that would take too long to open is what it announces; its size is 0x0 where only opening would tell.
    """
    known = _format_of(data)
    if known is None:
        return _vector_picture(data)
    try:
        with open_picture(data) as image:
            width, height = image.size
    except Oversized:
        is_told = known.name == "png"
        width, height = struct.unpack_from(">II", data, _PNG_SIZE_OFFSET) if is_told else (0, 0)
    except DamagedImage:
        return None
    return Picture(
        format=known.name,
        mime_type=f"image/{known.name}",
        extension=known.extension,
        width=width,
        height=height,
    )


def announced_format(data: bytes) -> str:
    """The name of the format that the first bytes announce, whether or not the rest can be read."""
    known = _format_of(data)
    return known.name if known else "svg" if is_svg(data) else ""


@contextmanager
def open_picture(data: bytes) -> Generator[ImageFile.ImageFile]:
    """An image file, opened but not decoded, for the time of a block.

    Pillow's limit on pixels does not apply: whoever decodes does so in ``room_for`` the file. The file is let
    go of at the end: Pillow's images hold it in reference cycles, and it may have 50 MB.

    Raises:
        Oversized: If opening it would take long.
        DamagedImage: If it is not of a known format, or whatever the block does with it fails.
    """
    known = _format_of(data)
    if known is None:
        message = "not an image of a known format"
        raise DamagedImage(message)
    require_openable(data, known.name)
    # Pillow reads every value of the Exif of an AVIF; what turns its pixels is not in there.
    read = _EXIF_ITEM.sub(b"free", data) if known.name == "avif" else data
    with unify_pillow_errors(), BoundedStream(read) as stream, closing(_opened(stream, known)) as image:
        if known.name == "png" and "transparency" in image.info:
            _scale_colour_key(image, bits=data[_PNG_BIT_DEPTH_OFFSET])
        if known.name == "tiff":
            _cut_off_nested_directories(image)
        yield image


@contextmanager
def room_for(*files: bytes, more_pixels: int = 0) -> Generator[None]:
    """Memory to decode image files and to work on their pixels, for the time of a block. May wait for others.

    Args:
        *files: What the block decodes; those of a block inside belong to the outer one's.
        more_pixels: Of other pictures that it makes.

    Raises:
        Oversized: If a file would take too long to decode, or all of them too much memory.
        DamagedImage: If one cannot be opened.
    """
    pixels = more_pixels
    for data in files:
        with open_picture(data) as image:
            require_decodable(image, data)
            pixels += image.width * image.height
    with MEMORY.reserved(pixels * BYTES_PER_PIXEL):
        yield


def is_complete(data: bytes, picture: Picture) -> bool:
    """Whether the file has its end, as far as the format marks one; a cut file does not.

    Whatever follows the end does no harm: phones and gateways add films, notes and padding.
    """
    if picture.format == "png":
        return b"IEND" in data[-32:] or _has_last_chunk(data)
    if picture.format == "jpeg":
        # Only decoding tells a file that goes on from a cut one: an end mark may be a thumbnail's.
        return b"\xff\xd9" in data[-64:] or decodes(data)
    if picture.format == "webp":
        return len(data) >= int.from_bytes(data[4:8], "little") + _RIFF_HEADER_BYTES
    if picture.format == "gif":
        # Some lack the mark of the end; they are kept if the first frame is whole.
        return data[-64:].rstrip(b"\0")[-1:] == b";" or decodes(data)
    return picture.format != "svg" or has_end(data)


def decodes(data: bytes) -> bool:
    """Whether all pixels are there, as far as they can be decoded here. CPU work."""
    try:
        with room_for(data), open_picture(data) as image:
            image.load()
    except Oversized:
        return True
    except DamagedImage:
        return False
    return True


def _vector_picture(data: bytes) -> Picture | None:
    try:
        size = read_size(data)
    except DamagedImage:
        return None
    return Picture(format="svg", mime_type=MIME_TYPE, extension="svg", width=size.width, height=size.height)


def _has_last_chunk(data: bytes) -> bool:
    """Whether the chunks of a PNG lead to its IEND."""
    position = _PNG_SIGNATURE_BYTES
    while position < len(data):
        if data[position + 4 : position + 8] == b"IEND":
            return True
        position += int.from_bytes(data[position : position + 4], "big") + _CHUNK_FRAME_BYTES
    return False


def _format_of(data: bytes) -> _Format | None:
    return next((known for known in _FORMATS if known.signature.match(data)), None)


def _scale_colour_key(image: ImageFile.ImageFile, *, bits: int) -> None:
    """Brings a PNG's transparent colour to the 8 bits of the pixels, which Pillow does not."""
    key = image.info["transparency"]
    if image.mode == "L" and bits < _EIGHT_BITS:
        image.info["transparency"] = key * 255 // (2**bits - 1)
    elif image.mode == "RGB" and bits > _EIGHT_BITS:
        image.info["transparency"] = tuple(level >> _EIGHT_BITS for level in key)


def _cut_off_nested_directories(image: ImageFile.ImageFile) -> None:
    """Keeps Pillow from reading every value of what a TIFF says of its camera when it decodes the pixels."""
    if not isinstance(image.info.get("xmp", b""), bytes):
        del image.info["xmp"]  # on which Pillow would fail
    exif = image.getexif()
    for tag in _NESTED_DIRECTORIES:
        if tag in exif:
            del exif[tag]


def _opened(stream: BoundedStream, known: _Format) -> ImageFile.ImageFile:
    """The image of the plugin itself: ``Image.open`` would warn of large images before they are decoded."""
    from PIL import Image

    plugin = importlib.import_module(known.plugin)
    if known.opener not in Image.OPEN:
        plugin.register_heif_opener()
    factory, _ = Image.OPEN[known.opener]
    return factory(stream, "")
