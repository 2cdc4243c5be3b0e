"""A model under the name that a gateway has for it: sent under that, checked and priced as itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.errors import UnsupportedByModel
from tests.standin import CannedTransport, serve_standin

if TYPE_CHECKING:
    from pathlib import Path

SQUARE: dict[str, Any] = {"size": "1024x1024", "quality": "low"}


def _settings(base_url: str, **aliases: str) -> Settings:
    return Settings.model_validate(
        {"api_key": "sk-test", "base_url": base_url, "model": "pictures", "model_aliases": aliases}
    )


@pytest.fixture
def picture(project: Path) -> Path:
    """What the gateway answers with."""
    path = project / "answer.png"
    Image.new("RGB", (1024, 1024), "navy").save(path)
    return path


async def test_an_alias_is_sent_and_priced_as_the_model_that_it_names(picture: Path) -> None:
    async with serve_standin(CannedTransport(picture)) as standin:
        known: dict[str, str] = {"pictures": "gpt-image-2"}
        for aliases, usd in ((known, "0.2107"), ({}, "None")):
            async with Studio(_settings(standin.base_url, **aliases)) as studio:
                made = await studio.generate("a fox", **SQUARE)
            assert made.cost
            assert made.model == "pictures"
            assert str(made.cost.usd).startswith(usd)
            assert any("not in the catalogue" in note for note in made.notes) is not bool(aliases)


async def test_what_the_model_of_an_alias_cannot_do_goes_to_the_alias_of_one_that_can(picture: Path) -> None:
    aliases = {"pictures": "gpt-image-2", "clear": "gpt-image-2.5-flare"}
    async with (
        serve_standin(CannedTransport(picture)) as standin,
        Studio(_settings(standin.base_url, **aliases)) as studio,
    ):
        made = await studio.generate("a fox", size="1024x1024", quality="max")
        with pytest.raises(UnsupportedByModel, match="pictures makes no gif"):
            await studio.generate("a fox", output_format="gif")
    assert made.model == "clear"
    assert any("so clear was used" in note for note in made.notes)
