"""Metadata inside the image file, as an XMP packet: it stays with a file that is copied or sent.

It is the same in PNG, JPEG and WebP. Other programs read the prompt as the description, the program and
model, and that the picture is synthetic (IPTC digital source types). This program reads a JSON document in
it, from which a rebuild recovers images whose metadata files are lost. The pixels are not decoded. A file
with C2PA provenance is left alone: its signature covers the whole file.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from bisect import bisect_right
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, ConfigDict, TypeAdapter

from gpt_image_mcp.ids import are_ids
from gpt_image_mcp.imaging.containers import jpeg, png, webp
from gpt_image_mcp.imaging.formats import announced_format, read_picture
from gpt_image_mcp.imaging.source_type import NAMESPACE, VOCABULARY, source_type_of
from gpt_image_mcp.money import Cost
from gpt_image_mcp.values.images import Applied, Kind, Provenance, Requested, StoredImage
from gpt_image_mcp.values.responses import Route

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gpt_image_mcp.values.json import JsonObject

NOT_EMBEDDED_C2PA = (
    "The file carries signed C2PA provenance, which a change would break, so its metadata are only in the "
    "library and in the .metadata folder."
)
NOT_EMBEDDED = "The metadata could not be written into the file; they are in the .metadata folder."
_LONGEST_DESCRIPTION = 2000
_MOST_DOCUMENT_BYTES = 1_000_000
_IMAGE = TypeAdapter(StoredImage)
# Names the box with the manifest in files of the ISO container: C2PA technical specification 2.1, appendix A.
_C2PA_BOX = b"uuid" + bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
# What XML 1.0 cannot carry, not even escaped; in JSON it can be written as a code.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_HALVES = range(0xD800, 0xE000)
_BEGIN, _END = b"<gim:document>", b"</gim:document>"
_PACKET = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 xmlns:gim="{namespace}">
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{description}</rdf:li></rdf:Alt></dc:description>
<xmp:CreatorTool>gpt-image-mcp ({model})</xmp:CreatorTool>
<Iptc4xmpExt:DigitalSourceType>{source_type}</Iptc4xmpExt:DigitalSourceType>
<gim:document>{document}</gim:document>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""


class _Container(NamedTuple):
    """Where a format keeps metadata.

    Attributes:
        largest_packet_bytes: Of XMP; 0 for no limit.
    """

    has_c2pa: Callable[[bytes], bool]
    find_xmp: Callable[[bytes], bytes | None]
    with_xmp: Callable[[bytes, bytes], bytes]
    largest_packet_bytes: int = 0


_CONTAINERS = {
    "png": _Container(png.has_c2pa, png.find_xmp, png.with_xmp),
    "jpeg": _Container(jpeg.has_c2pa, jpeg.find_xmp, jpeg.with_xmp, jpeg.LARGEST_PACKET_BYTES),
    "webp": _Container(webp.has_c2pa, webp.find_xmp, webp.with_xmp),
}


class EmbeddedMetadata(BaseModel):
    """What a file says about how it was made, without owner or folder.

    Attributes:
        prompt_is_cut: Whether the prompt was too long for the file; the library has all of it.
        cost: The image's share of the call's cost.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    created_at: datetime
    kind: Kind
    prompt: str
    model: str
    requested: Requested
    applied: Applied
    cost: Cost
    prompt_is_cut: bool = False
    route: Route = "images"
    parents: tuple[str, ...] = ()
    edit_type: str = ""
    call_id: str = ""
    session_id: str = ""
    turn: int = 0
    sandbox: bool = False


def metadata_of(image_id: str, created_at: datetime, provenance: Provenance) -> EmbeddedMetadata:
    """What is embedded for an image of the library."""
    made = {name: getattr(provenance, name, None) for name in EmbeddedMetadata.model_fields}
    return EmbeddedMetadata.model_validate(
        {**made, "id": image_id, "created_at": created_at, "prompt_is_cut": False}
    )


def recovered_image(path: Path, data: bytes) -> StoredImage | None:
    """The library's entry of a file, rebuilt from its metadata; None if it has none of ours.

    Args:
        path: Where the file is.
        data: The whole file.

    Raises:
        ValueError: If they are not what this program writes.
    """
    metadata, picture = read_embedded(data), read_picture(data)
    if not metadata or not picture or not are_ids(metadata.call_id, metadata.session_id):
        return None
    return _IMAGE.validate_python(
        {
            "id": metadata.id,
            "file_path": path,
            "size_bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "mime_type": picture.mime_type,
            "width": picture.width,
            "height": picture.height,
            "created_at": metadata.created_at,
            "provenance": metadata.model_dump(),
        }
    )


def has_c2pa(data: bytes) -> bool:
    """Whether a PNG, JPEG, WebP, AVIF or HEIC file carries C2PA provenance; False for anything else."""
    if announced_format(data) in ("avif", "heic"):
        return _C2PA_BOX in data
    container = _container(data)
    return container is not None and container.has_c2pa(data)


def embed(data: bytes, metadata: EmbeddedMetadata) -> bytes | None:
    """The file with its metadata inside; nothing else of it is changed.

    Returns:
        None if the file must stay as it is: it is of another format, damaged, carries C2PA provenance, or
        already has XMP of another program.
    """
    container = _container(data)
    if container is None or container.has_c2pa(data) or _has_foreign_xmp(container, data):
        return None
    try:
        return container.with_xmp(data, _packet_within(metadata, container.largest_packet_bytes))
    except ValueError:
        return None


def read_embedded(data: bytes) -> EmbeddedMetadata | None:
    """What ``embed`` wrote into a file; None if it holds nothing of that kind.

    Raises:
        ValueError: If it is not what this program writes.
    """
    container = _container(data)
    packet = container.find_xmp(data) if container else None
    _, _, rest = (packet or b"").partition(_BEGIN)
    document, end, _ = rest.partition(_END)
    if not end:
        return None
    if len(document) > _MOST_DOCUMENT_BYTES:
        message = f"the metadata in it have more than {_MOST_DOCUMENT_BYTES} bytes"
        raise ValueError(message)
    return EmbeddedMetadata.model_validate_json(html.unescape(document.decode()))


def _container(data: bytes) -> _Container | None:
    return _CONTAINERS.get(announced_format(data))


def _has_foreign_xmp(container: _Container, data: bytes) -> bool:
    packet = container.find_xmp(data)
    return packet is not None and NAMESPACE.encode() not in packet


def _packet_within(metadata: EmbeddedMetadata, max_bytes: int) -> bytes:
    """The packet with as much of the prompt as fits (0 is no limit); too large if even an empty one is."""
    whole = _packet(metadata)
    if not max_bytes or len(whole) <= max_bytes:
        return whole

    def cut(characters: int) -> bytes:
        return _packet(
            metadata.model_copy(update={"prompt": metadata.prompt[:characters], "prompt_is_cut": True})
        )

    fitting = bisect_right(range(len(metadata.prompt)), max_bytes, key=lambda length: len(cut(length)))
    return cut(max(0, fitting - 1))


def _packet(metadata: EmbeddedMetadata) -> bytes:
    document: JsonObject = metadata.model_dump(mode="json", exclude_defaults=True)
    text = _NOT_XML.sub(_as_code, json.dumps(document, ensure_ascii=False, separators=(",", ":")))
    return _PACKET.format(
        namespace=NAMESPACE,
        description=_xml(metadata.prompt[:_LONGEST_DESCRIPTION]),
        model=_xml(metadata.model),
        source_type=VOCABULARY + source_type_of(metadata.kind),
        document=html.escape(text, quote=False),
    ).encode()


def _as_code(match: re.Match[str]) -> str:
    """A character as a JSON escape; half a surrogate pair, which no file can carry, becomes U+FFFD."""
    return f"\\u{0xFFFD if ord(match[0]) in _HALVES else ord(match[0]):04x}"


def _xml(text: str) -> str:
    """A text as XML, without the characters that it cannot carry."""
    return html.escape(_NOT_XML.sub("", text), quote=False)
