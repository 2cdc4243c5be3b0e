"""Recipes for good pictures, after OpenAI's prompting guide: each makes an ``Order`` of what a person wants.

The order of a prompt is scene, subject, details, constraints, intended use; literal text is quoted; input
images are called "Image 1"; an edit names the one thing to change and repeats what must stay. A recipe is a
function of texts: its signature is what a client shows as a form, in which the quality comes right behind
what is required (see ``prompts.py``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from gpt_image_mcp.errors import InvalidArgument, quoted
from gpt_image_mcp.visible_text import normalized

if TYPE_CHECKING:
    from collections.abc import Callable

SizeBlank: TypeAlias = Annotated[
    str, "Size: auto, WxH, a ratio such as 16:9, or square, landscape, portrait, also with _2k or _4k."
]
QualityBlank: TypeAlias = Annotated[
    Literal["low", "medium", "high"], "Quality of the final picture; small text and faces need high."
]
ModelBlank: TypeAlias = Annotated[str, "Model; empty takes the configured one."]
ImageBlank: TypeAlias = Annotated[str, "The image to change: an image id, a file path or an address."]
BackgroundBlank: TypeAlias = Annotated[
    Literal["transparent", "opaque"], "Whether the background is transparent, for placing it elsewhere."
]
_HARD_WORD = 9
_LETTERS = re.compile(r"[^\W\d_]+")
_QUOTES = (('"', '"'), ("“", "”"), ("«", "»"), ("「", "」"))
_ENDINGS = tuple(".!?:\"'”»」。…")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A tool call to draft and then to finish.

    Attributes:
        prompt: What the tool gets as prompt.
        model: Empty for the configured one.
        quality: Of the final picture.
        images: Inputs; with any, the tool is ``edit_image``.
        edit_type: For ``edit_image``.
        background: ``auto``, ``opaque`` or ``transparent``.
        check: What to look for in the draft.
        then: What to do after the picture is finished; empty for nothing.
    """

    prompt: str
    model: str
    size: str
    quality: str
    images: tuple[str, ...] = field(default=())
    edit_type: str = "free"
    background: str = "auto"
    check: str
    then: str = ""

    @property
    def tool(self) -> str:
        """The tool to call."""
        return "edit_image" if self.images else "generate_image"


def photorealistic(
    *,
    subject: Annotated[str, "What the picture shows, with the details that matter."],
    quality: QualityBlank = "high",
    setting: Annotated[str, "Where and when it is."] = "",
    light: Annotated[
        Literal["natural daylight", "golden hour", "overcast", "studio", "night"], "The light."
    ] = "natural daylight",
    camera: Annotated[str, "Framing, distance, lens."] = "eye level, 50 mm lens, shallow depth of field",
    use: Annotated[str, "What the picture is for."] = "",
    size: SizeBlank = "landscape",
    model: ModelBlank = "",
) -> Order:
    """A picture that looks like a photograph."""
    prompt = _sentences(
        setting and f"Setting: {setting}",
        f"A photorealistic photograph of {subject}",
        f"Light: {light}. Camera: {camera}",
        "Real materials and skin with pores, wear and small flaws; nothing retouched, nothing staged",
        "No text, no watermark",
        _used_for(use),
    )
    check = "hands, faces, shadows that agree with the light, and that nothing looks retouched"
    return Order(prompt=prompt, model=model, size=size, quality=quality, check=check)


def infographic(
    *,
    topic: Annotated[str, "The title."],
    facts: Annotated[str, "What it says, separated by semicolons, in the exact wording."],
    quality: QualityBlank = "high",
    audience: Annotated[str, "Who reads it."] = "a general audience",
    style: Annotated[str, "How it looks."] = "flat vector shapes, three colours, generous white space",
    size: SizeBlank = "portrait",
    model: ModelBlank = "",
) -> Order:
    """A diagram or one-page explanation with exact text."""
    items = _items("facts", facts)
    blocks = "; ".join(f"{number}. {_quoted(item)}" for number, item in enumerate(items, start=1))
    prompt = _sentences(
        f"An infographic for {audience}",
        f"Style: {style}",
        f"Title at the top, exactly: {_quoted(topic)}",
        f"{len(items)} block(s) in reading order, each with one simple icon and exactly this text: {blocks}",
        "One clear hierarchy, aligned to a grid, high contrast, every word legible",
        "No other text, no invented numbers, no watermark",
    )
    check = "every word and number, letter by letter, and that no text was added"
    return Order(prompt=prompt, model=model, size=size, quality=quality, check=check)


def text_poster(
    *,
    headline: Annotated[str, "The large text, in the exact wording."],
    quality: QualityBlank = "high",
    subline: Annotated[str, "The small text, in the exact wording."] = "",
    picture: Annotated[str, "What is shown besides the text."] = "",
    style: Annotated[str, "How it looks."] = "bold modern typography, strong contrast",
    size: SizeBlank = "portrait",
    model: ModelBlank = "",
) -> Order:
    """A poster, cover or sign whose words must be right."""
    prompt = _sentences(
        f"A poster. Style: {style}",
        picture and f"Picture: {picture}",
        f"The headline, large and exactly once: {_quoted(headline)}{_spelled(headline)}",
        subline and f"Below it, smaller, exactly once: {_quoted(subline)}",
        "Text is horizontal, complete and legible, with room around it",
        "No other text, no watermark",
    )
    check = "the spelling, letter by letter, and that each text is there once"
    return Order(prompt=prompt, model=model, size=size, quality=quality, check=check)


def product_mockup(
    *,
    product: Annotated[str, "The product: form, material, colour."],
    quality: QualityBlank = "high",
    label: Annotated[str, "Text on it, in the exact wording."] = "",
    scene: Annotated[str, "Where it stands."] = "a seamless light grey studio backdrop",
    image: Annotated[str, "A picture of the real product or label to keep: id, path or address."] = "",
    size: SizeBlank = "square",
    model: ModelBlank = "",
) -> Order:
    """A product in a scene, from words or from a picture of it."""
    prompt = _sentences(
        "A photorealistic product photograph",
        f"Scene: {scene}",
        f"Product: {product}",
        image and "Image 1 shows the product. Keep its form, proportions, colours and label exactly",
        label and f"The label reads exactly: {_quoted(label)}",
        "Soft key light from the left, a natural contact shadow, the whole product in frame",
        "No other text, no props that hide the product, no watermark",
        _used_for("a product page"),
    )
    check = "form and label of the product, the contact shadow, and that nothing is cut off"
    images = (image,) if image else ()
    return Order(prompt=prompt, model=model, size=size, quality=quality, images=images, check=check)


def logo_icon(
    *,
    idea: Annotated[str, "What the mark shows or stands for."],
    quality: QualityBlank = "high",
    name: Annotated[str, "Text in the logo, in the exact wording; empty for a mark without text."] = "",
    style: Annotated[
        Literal["flat", "line", "geometric", "badge", "hand-drawn"], "How it is drawn."
    ] = "flat",
    colours: Annotated[str, "The colours."] = "two colours",
    background: BackgroundBlank = "transparent",
    size: SizeBlank = "square",
    model: ModelBlank = "",
) -> Order:
    """A logo, app icon or favicon."""
    prompt = _sentences(
        f"A {style} logo mark: {idea}",
        f"Colours: {colours}",
        f"With the text, exactly: {_quoted(name)}" if name else "No text",
        "One simple silhouette that is legible at 16 pixels, centred, with an even margin",
        "No gradient, no shadow, no mockup, no watermark",
        _empty_background(background),
    )
    return Order(
        prompt=prompt,
        model=model,
        size=size,
        quality=quality,
        background=background,
        check="the silhouette when small (get_image with max_edge 64), and that nothing surrounds it",
        then='If export_image is there, its presets "favicon" and "app_icon" make the files, at no cost.',
    )


def ui_asset(
    *,
    asset: Annotated[str, "What it is, such as an empty-state illustration or an avatar."],
    quality: QualityBlank = "medium",
    style: Annotated[str, "The style of the product it belongs to."] = "clean, flat, rounded shapes",
    palette: Annotated[str, "The colours, best as hex values."] = "",
    background: BackgroundBlank = "transparent",
    size: SizeBlank = "square",
    model: ModelBlank = "",
) -> Order:
    """A picture for a user interface."""
    prompt = _sentences(
        f"A user interface asset: {asset}",
        f"Style: {style}",
        palette and f"Only these colours: {palette}",
        "One subject, centred, with an even margin, crisp edges, legible at half the size",
        "No text, no device frame, no interface around it, no watermark",
        _empty_background(background),
    )
    check = "edges, colours and margin"
    return Order(prompt=prompt, model=model, size=size, quality=quality, background=background, check=check)


def style_transfer(
    *,
    image: ImageBlank,
    style: Annotated[str, "The new style: medium, technique, colours, era."],
    quality: QualityBlank = "high",
    keep: Annotated[str, "What must stay as it is."] = "composition, poses, faces and all text",
    size: SizeBlank = "auto",
    model: ModelBlank = "",
) -> Order:
    """The same picture in another style."""
    prompt = _sentences(
        f"Redraw Image 1 in this style: {style}",
        f"Change only the style. Keep the rest exactly as it is: {keep}",
        "Add nothing, remove nothing",
    )
    return Order(
        prompt=prompt,
        model=model,
        size=size,
        quality=quality,
        images=(image,),
        edit_type="style_transfer",
        check=f"that {keep.rstrip('.')} stayed",
    )


def background_swap(
    *,
    image: ImageBlank,
    background: Annotated[str, "The new background: place, time, light."],
    quality: QualityBlank = "high",
    keep: Annotated[str, "What must stay as it is."] = "the subject with its pose, edges, colours and face",
    size: SizeBlank = "auto",
    model: ModelBlank = "",
) -> Order:
    """The same subject in front of another background."""
    prompt = _sentences(
        f"Replace the background of Image 1 by {background}",
        f"Change only the background. Keep exactly as it is: {keep}",
        "Match the direction and colour of the light at the edges, and give the subject a contact shadow",
        "Add no text and no further people",
    )
    return Order(
        prompt=prompt,
        model=model,
        size=size,
        quality=quality,
        images=(image,),
        edit_type="background_change",
        check=f"the edges, and that {keep.rstrip('.')} stayed",
    )


def character_consistency(
    *,
    character: Annotated[str, "The character: age, build, face, hair, clothes, colours."],
    scenes: Annotated[str, "The scenes, separated by semicolons."],
    quality: QualityBlank = "medium",
    style: Annotated[str, "The style of all pictures."] = "children's book illustration, soft watercolour",
    image: Annotated[str, "A picture of the character, if there is one: id, path or address."] = "",
    size: SizeBlank = "landscape",
    model: ModelBlank = "",
) -> Order:
    """The same character in several scenes."""
    prompt = _sentences(
        f"A character sheet on a plain background: {character}",
        f"Style: {style}",
        image and "Image 1 shows the character. Keep face, hair, clothes and colours exactly",
        "The whole figure from the front and from the side, and the face close up; the same person each time",
        "No text, no watermark",
    )
    listed = " ".join(f"({number}) {scene}" for number, scene in enumerate(_items("scenes", scenes), start=1))
    beginning = _sentences(
        f"Image 1 is the character sheet of {character}",
        f"Style: {style}",
        "Draw this very character, same face, hair, clothes and colours, in a new scene:",
    )
    then = _sentences(
        f"Call edit_image once for each scene, with the id of the finished sheet as the only image: {listed}",
        f"Begin each prompt with: {_quoted(beginning)}",
        "Each scene is paid for like the sheet: tell the user the sum first",
    )
    images = (image,) if image else ()
    check = "that the character is the same in all views"
    return Order(
        prompt=prompt, model=model, size=size, quality=quality, images=images, check=check, then=then
    )


RECIPES: dict[str, Callable[..., Order]] = {
    "photorealistic": photorealistic,
    "infographic": infographic,
    "text_poster": text_poster,
    "product_mockup": product_mockup,
    "logo_icon": logo_icon,
    "ui_asset": ui_asset,
    "style_transfer": style_transfer,
    "background_swap": background_swap,
    "character_consistency": character_consistency,
}


def _sentences(*parts: str) -> str:
    """The parts that are not empty, each ending like a sentence."""
    return " ".join(part if part.endswith(_ENDINGS) else f"{part}." for part in parts if part)


def _items(name: str, text: str) -> list[str]:
    """What a text lists, separated by semicolons.

    Raises:
        InvalidArgument: If it lists nothing.
    """
    items = [item.strip() for item in text.split(";") if item.strip()]
    if not items:
        message = f"{name} is {quoted(text)}, which lists nothing."
        raise InvalidArgument(message, next_step=f"Pass {name} separated by semicolons.")
    return items


def _quoted(text: str) -> str:
    """A text in quotation marks that it does not hold itself, so that it is clear where it ends."""
    opening, closing = next((pair for pair in _QUOTES if not set(pair) & set(text)), _QUOTES[0])
    return f"{opening}{text}{closing}"


def _used_for(use: str) -> str:
    return f"Intended use: {use}" if use else ""


def _empty_background(background: str) -> str:
    return "The background is transparent and empty" if background == "transparent" else "A plain background"


def _spelled(text: str) -> str:
    """The letters of long words one by one, which models get right more often."""
    # An accent is a letter of its own until it is put together with the one below it.
    words = dict.fromkeys(_LETTERS.findall(normalized("NFC", text)))
    return "".join(f" ({word} is spelled {'-'.join(word)})" for word in words if len(word) >= _HARD_WORD)
