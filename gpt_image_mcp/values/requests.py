"""What is sent to the API."""

from __future__ import annotations

from dataclasses import dataclass, field

GIF, SVG = "gif", "svg"
# Pictures of pixels, which every model makes and takes.
STILLS = ("png", "jpeg", "webp")


@dataclass(frozen=True, slots=True, kw_only=True)
class InputImage:
    """An image that goes up with an edit, as it will be sent.

    Attributes:
        name: File name for the upload; its extension belongs to the bytes.
        data: The file, in a format and mode that the API takes.
        mime_type: ``image/png``, ``image/jpeg`` or ``image/webp``, true to the bytes.
        width: Pixels, after the orientation of the camera is applied; so is the height.
        source: How the caller called it, shortened, for messages.
        image_id: Its id in the library; empty for an image from elsewhere.
        notes: What had to be converted, a sentence each.
        original: The file as the caller passed it, if ``data`` was converted from it.
    """

    name: str
    data: bytes = field(repr=False)
    mime_type: str
    width: int
    height: int
    source: str = ""
    image_id: str = ""
    notes: tuple[str, ...] = ()
    original: bytes = field(default=b"", repr=False)

    @property
    def as_passed(self) -> bytes:
        """The file as the caller passed it, with every pixel that conversion may have changed."""
        return self.original or self.data


@dataclass(frozen=True, slots=True, kw_only=True)
class Backdrop:
    """What an edit is composited onto, so that the original pixels are back outside the mask.

    Attributes:
        original: The file that keeps its pixels outside the mask: image 1, or its extended canvas.
        coverage: A grey PNG of the same size: 255 takes the edit, 0 the original, values between blend them.
    """

    original: bytes = field(repr=False)
    coverage: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """A generation, or with ``images`` an edit, as it will be sent: resolved and checked against the model.

    Attributes:
        size: ``auto`` or ``WIDTHxHEIGHT``.
        output_compression: 0-100, or None where the format takes none (it is then not sent).
        safety_identifier: Sent when not empty.
        partial_images: 0 for a plain call; 1-3 streams that many previews.
        mask: A PNG of image 1's size whose transparent pixels are to be edited; empty for none.
        input_fidelity: ``low`` or ``high``; not sent when empty.
        complexity: ``low``, ``medium`` or ``high``; not sent when empty.
        frame_count: Of an animation, with ``frame_duration_ms``; 0 for a still picture.
        markup: A PNG of image 1's size, transparent but for hints drawn on it; empty for none.
    """

    prompt: str
    model: str
    size: str
    quality: str
    n: int = 1
    background: str = "auto"
    output_format: str = "png"
    output_compression: int | None = None
    moderation: str = "auto"
    safety_identifier: str = ""
    partial_images: int = 0
    images: tuple[InputImage, ...] = ()
    mask: bytes = field(default=b"", repr=False)
    input_fidelity: str = ""
    complexity: str = ""
    frame_count: int = 0
    frame_duration_ms: int = 0
    markup: bytes = field(default=b"", repr=False)
