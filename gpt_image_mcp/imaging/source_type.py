"""The label that a picture is AI-made: the digital source type of the IPTC, in XMP.

It is the one fact about a picture that goes into every file written from its pixels; it names no prompt and
no owner. Vocabulary: https://cv.iptc.org/newscodes/digitalsourcetype/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from gpt_image_mcp.values.images import Kind

SourceType: TypeAlias = Literal["", "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"]
AI_MADE: Final = "trainedAlgorithmicMedia"
AI_EDITED: Final = "compositeWithTrainedAlgorithmicMedia"
VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
# By this namespace an XMP packet is known as one of this program.
NAMESPACE = "urn:gpt-image-mcp:1.0#"
_NAMED = re.compile(rb"digitalsourcetype/(trainedAlgorithmicMedia|compositeWithTrainedAlgorithmicMedia)\b")
_PACKET = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 xmlns:gim="{namespace}">
<Iptc4xmpExt:DigitalSourceType>{source_type}</Iptc4xmpExt:DigitalSourceType>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""


def source_type_of(kind: Kind) -> SourceType:
    """The source type of a picture of the library."""
    return AI_MADE if kind == "image" else AI_EDITED


def find_source_type(data: bytes) -> SourceType:
    """The AI source type that a file names, in its XMP or in its C2PA manifest; empty if it names none.

    If it names both, as a file does that was edited after it was made, it is an edited one.
    """
    named = set(_NAMED.findall(data))
    if AI_EDITED.encode() in named:
        return AI_EDITED
    return AI_MADE if named else ""


def source_type_packet(source_type: SourceType) -> bytes:
    """An XMP packet that names the source type and nothing else."""
    return _PACKET.format(namespace=NAMESPACE, source_type=VOCABULARY + source_type).encode()
