"""Recipes for good pictures, after OpenAI's prompting guide: each makes an ``Order`` of what a person wants.

The order of a prompt is scene, subject, details, constraints, intended use; literal text is quoted; input
images are called "Image 1"; an edit names the one thing to change and repeats what must stay. A recipe is a
function of texts: its signature is what a client shows as a form, in which the quality comes right behind
what is required (see ``prompts.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from gpt_image_mcp.mcp_app.orders import Order
from gpt_image_mcp.mcp_app.sentences import (
    empty_background,
    in_quotes,
    items_of,
    one_by_one,
    sentences,
    spelled,
    used_for,
)

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
ImagesBlank: TypeAlias = Annotated[
    str, "The image to change: id, path or address; or a folder or glob of them."
]
BackgroundBlank: TypeAlias = Annotated[
    Literal["transparent", "opaque"], "Whether the background is transparent, for placing it elsewhere."
]


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
    prompt = sentences(
        setting and f"Setting: {setting}",
        f"A photorealistic photograph of {subject}",
        f"Light: {light}. Camera: {camera}",
        "Real materials and skin with pores, wear and small flaws; nothing retouched, nothing staged",
        "No text, no watermark",
        used_for(use),
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
    items = items_of("facts", facts)
    blocks = "; ".join(f"{number}. {in_quotes(item)}" for number, item in enumerate(items, start=1))
    prompt = sentences(
        f"An infographic for {audience}",
        f"Style: {style}",
        f"Title at the top, exactly: {in_quotes(topic)}",
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
    prompt = sentences(
        f"A poster. Style: {style}",
        picture and f"Picture: {picture}",
        f"The headline, large and exactly once: {in_quotes(headline)}{spelled(headline)}",
        subline and f"Below it, smaller, exactly once: {in_quotes(subline)}",
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
    prompt = sentences(
        "A photorealistic product photograph",
        f"Scene: {scene}",
        f"Product: {product}",
        image and "Image 1 shows the product. Keep its form, proportions, colours and label exactly",
        label and f"The label reads exactly: {in_quotes(label)}",
        "Soft key light from the left, a natural contact shadow, the whole product in frame",
        "No other text, no props that hide the product, no watermark",
        used_for("a product page"),
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
    prompt = sentences(
        f"A {style} logo mark: {idea}",
        f"Colours: {colours}",
        f"With the text, exactly: {in_quotes(name)}" if name else "No text",
        "One simple silhouette that is legible at 16 pixels, centred, with an even margin",
        "No gradient, no shadow, no mockup, no watermark",
        empty_background(background),
    )
    return Order(
        prompt=prompt,
        model=model,
        size=size,
        quality=quality,
        drafts=4,
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
    prompt = sentences(
        f"A user interface asset: {asset}",
        f"Style: {style}",
        palette and f"Only these colours: {palette}",
        "One subject, centred, with an even margin, crisp edges, legible at half the size",
        "No text, no device frame, no interface around it, no watermark",
        empty_background(background),
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
    prompt = sentences(
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
    image: ImagesBlank,
    background: Annotated[str, "The new background: place, time, light."],
    quality: QualityBlank = "high",
    keep: Annotated[str, "What must stay as it is."] = "the subject with its pose, edges, colours and face",
    size: SizeBlank = "auto",
    model: ModelBlank = "",
) -> Order:
    """The same subject in front of another background, also for all pictures of a folder."""
    prompt = sentences(
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
    prompt = sentences(
        f"A character sheet on a plain background: {character}",
        f"Style: {style}",
        image and "Image 1 shows the character. Keep face, hair, clothes and colours exactly",
        "The whole figure from the front and from the side, and the face close up; the same person each time",
        "No text, no watermark",
    )
    beginning = sentences(
        f"Image 1 is the character sheet of {character}",
        f"Style: {style}",
        "Draw this very character, same face, hair, clothes and colours, in a new scene:",
    )
    return Order(
        prompt=prompt,
        model=model,
        size=size,
        quality=quality,
        images=(image,) if image else (),
        check="that the character is the same in all views",
        then=one_by_one("scene", items_of("scenes", scenes), beginning),
    )


def hero_banner(
    *,
    subject: Annotated[str, "What the banner shows."],
    quality: QualityBlank = "high",
    text_side: Annotated[
        Literal["left", "right", "centre"], "Where the page puts its headline, and the picture is calm."
    ] = "left",
    style: Annotated[str, "How it looks."] = "a photograph with soft daylight and depth",
    palette: Annotated[str, "The colours of the site, best as hex values."] = "",
    size: SizeBlank = "16:9",
    model: ModelBlank = "",
) -> Order:
    """A wide picture at the top of a website, with room for a headline."""
    prompt = sentences(
        f"A wide hero picture: {subject}",
        f"Style: {style}",
        palette and f"Colours that go with {palette}",
        f"The {text_side} third is calm, low in contrast and free of detail, for a headline over it",
        "The subject outside of that third, nothing important at the edges",
        "No text, no logo, no interface, no watermark",
        used_for("the first screen of a website"),
    )
    return Order(
        prompt=prompt,
        model=model,
        size=size,
        quality=quality,
        check=f"that a headline on the {text_side} would be legible, and that the edges may be cut",
        then="If export_image is there, it makes the exact width and height, as webp, at no cost.",
    )


def product_set(
    *,
    product: Annotated[str, "The product: form, material, colour."],
    quality: QualityBlank = "high",
    views: Annotated[str, "The pictures of the set, separated by semicolons."] = (
        "from the side; a close-up of the material; in use; in its packaging"
    ),
    scene: Annotated[
        str, "Backdrop and light of all pictures."
    ] = "a seamless light grey backdrop, soft light",
    image: Annotated[str, "A picture of the real product to keep: id, path or address."] = "",
    size: SizeBlank = "square",
    model: ModelBlank = "",
) -> Order:
    """One product in several pictures that belong together, as a shop shows it."""
    prompt = sentences(
        f"A photorealistic product photograph of {product}",
        f"Scene: {scene}",
        image and "Image 1 shows the product. Keep its form, proportions, colours and label exactly",
        "From the front, slightly above, the whole product in frame with an even margin and a contact shadow",
        "No further text, no props, no watermark",
    )
    beginning = sentences(
        f"Image 1 is the main picture of {product}",
        f"Scene: {scene}",
        "Keep the product, its label, the backdrop and the light exactly as they are. Show it anew:",
    )
    return Order(
        prompt=prompt,
        model=model,
        size=size,
        quality=quality,
        images=(image,) if image else (),
        check="form, colours and label of the product, and that the backdrop is even",
        then=one_by_one("view", items_of("views", views), beginning),
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
    "hero_banner": hero_banner,
    "product_set": product_set,
}
