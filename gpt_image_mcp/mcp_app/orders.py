"""Orders: the tool calls that make one picture, first a cheap draft and then the finished picture."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from gpt_image_mcp.references import classify

# What stands for the draft in the call that finishes it.
CHOSEN_DRAFT = "ID_OF_THE_CHOSEN_DRAFT"
_FINISH = (
    "Image 1 is the chosen draft{others}. Draw the same picture in final quality: keep its composition, "
    "forms, colours, light and every word exactly, and refine only edges, textures and small details."
)
_GLOB = re.compile(r"[*?]")
_ENDING = re.compile(r"\.\w{2,5}$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A tool call to draft, and how to finish what was drafted.

    Attributes:
        prompt: What the tool gets as prompt.
        model: Empty for the configured one.
        quality: Of the finished picture.
        drafts: How many drafts to choose from.
        images: Inputs; with any, the tool is ``edit_image``, or for a folder ``batch_edit_images``.
        edit_type: For edits.
        background: ``auto``, ``opaque`` or ``transparent``.
        check: What to look for in the draft.
        then: What to do after the picture is finished; empty for nothing.
    """

    prompt: str
    model: str
    size: str
    quality: str
    drafts: int = 1
    images: tuple[str, ...] = ()
    edit_type: str = "free"
    background: str = "auto"
    check: str
    then: str = ""

    @property
    def tool(self) -> str:
        """The tool to call."""
        if any(_is_several(image) for image in self.images if image != CHOSEN_DRAFT):
            return "batch_edit_images"
        return "edit_image" if self.images else "generate_image"

    def finishing(self) -> Order | None:
        """The order that makes the finished picture; None where a draft has the final quality already.

        An edit of the draft keeps what was chosen; the same words again would give another picture. A batch
        is made again of the originals, because nobody chooses between a hundred drafts.
        """
        if self.quality == "low":
            return None
        if self.tool == "batch_edit_images":
            return self
        others = ", and the images after it are what it was made from" if self.images else ""
        prompt = _FINISH.format(others=others)
        return replace(
            self,
            prompt=prompt if self.images else f"{prompt} It was asked for as: {self.prompt}",
            drafts=1,
            images=(CHOSEN_DRAFT, *self.images),
            edit_type="free",
        )

    def arguments(self) -> dict[str, object]:
        """The arguments of the call but for the quality, without those that say nothing."""
        given: dict[str, object] = {"prompt": self.prompt, "size": self.size}
        if self.images:
            given |= {"images": list(self.images), "edit_type": self.edit_type}
        if self.drafts > 1:
            given["n"] = self.drafts
        if self.background != "auto":
            given["background"] = self.background
        if self.model:
            given["model"] = self.model
        return given


def _is_several(image: str) -> bool:
    """Whether a reference is a folder or a glob, as far as its text says."""
    ref = classify(image)
    name = ref.text.replace("\\", "/").rpartition("/")[2]
    return ref.kind == "path" and (bool(_GLOB.search(name)) or not _ENDING.search(name))
