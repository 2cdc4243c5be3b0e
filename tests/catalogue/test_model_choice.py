"""Which model makes a picture: a named one always, else the first that can do what is asked."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, cast

import pytest

from gpt_image_mcp.catalogue.model_choice import ChosenModel, Needs, choose_model, host_of
from gpt_image_mcp.errors import InvalidArgument, UnsupportedByModel
from gpt_image_mcp.library.schema import images
from gpt_image_mcp.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import String

TODAY = date(2026, 12, 1)
GATEWAY = "https://gateway.example/v1"


def _choose(
    name: str = "", needs: Needs | None = None, *, today: date = TODAY, **settings: Any
) -> ChosenModel:
    return choose_model(name, needs or Needs(), settings=Settings(**settings), today=today)


@pytest.mark.parametrize(
    ("needs", "model"),
    [
        ({}, "gpt-image-2"),
        ({"quality": "high"}, "gpt-image-2"),
        ({"transparent": True}, "gpt-image-2.5-flare"),
        ({"quality": "xhigh"}, "gpt-image-2.5-flare"),
        ({"markup": True}, "gpt-image-2.5-flare"),
        ({"complexity": "low"}, "gpt-image-2.6-flare"),
        ({"output_format": "gif"}, "gpt-image-2.6-flare"),
        ({"output_format": "svg", "transparent": True, "quality": "max"}, "gpt-image-2.6-flare"),
    ],
)
def test_an_empty_model_is_the_configured_one_or_the_first_that_can(
    needs: dict[str, Any], model: str
) -> None:
    chosen = _choose("", Needs(**needs))
    assert chosen.name == model
    assert (f"so {model} was used" in chosen.note) is (model != "gpt-image-2")


@pytest.mark.parametrize(
    "needs",
    [
        {"transparent": True},
        {"quality": "max"},
        {"complexity": "low"},
        {"output_format": "gif"},
        {"markup": True},
    ],
)
def test_a_named_model_is_refused_and_those_that_can_are_named(needs: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedByModel) as refused:
        _choose("gpt-image-2", Needs(**needs))
    assert "gpt-image-2.6-flare" in refused.value.next_step
    assert "leave model empty" in refused.value.next_step
    assert "gpt-image-1" not in refused.value.next_step


def test_a_configured_model_that_can_is_kept() -> None:
    assert (
        _choose("", Needs(transparent=True), model="gpt-image-2.6-sunburst").name == "gpt-image-2.6-sunburst"
    )


def test_transparency_of_a_named_model_is_left_to_another_host() -> None:
    assert _choose("gpt-image-2", Needs(transparent=True), base_url=GATEWAY).name == "gpt-image-2"
    for own in ("https://api.openai.com/v1", "https://eu.api.openai.com/v1"):
        with pytest.raises(UnsupportedByModel):
            _choose("gpt-image-2", Needs(transparent=True), base_url=own)


def test_elsewhere_only_a_model_with_an_alias_takes_the_place_of_the_configured_one() -> None:
    gif = Needs(output_format="gif")
    with pytest.raises(UnsupportedByModel) as refused:
        _choose("", gif, base_url=GATEWAY)
    assert "GPT_IMAGE_MODEL_ALIASES" in refused.value.next_step
    chosen = _choose("", gif, base_url=GATEWAY, model_aliases={"our-gifs": "gpt-image-2.6-flare"})
    assert chosen.name == "our-gifs"
    assert chosen.model
    assert chosen.model.name == "gpt-image-2.6-flare"


def test_an_alias_has_the_limits_of_its_model_and_goes_out_under_its_own_name() -> None:
    aliases = {"pictures": "gpt-image-2"}
    chosen = _choose("pictures", base_url=GATEWAY, model_aliases=aliases)
    assert chosen.name == "pictures"
    assert chosen.model
    assert chosen.model.name == "gpt-image-2"
    with pytest.raises(UnsupportedByModel, match="pictures has no quality 'max'"):
        _choose("pictures", Needs(quality="max"), base_url=GATEWAY, model_aliases=aliases)
    assert _choose("pictures", sandbox=True, model_aliases=aliases).name == "gpt-image-2"


def test_an_alias_of_nothing_is_refused_with_the_variable() -> None:
    with pytest.raises(InvalidArgument, match="GPT_IMAGE_MODEL_ALIASES"):
        _choose("pictures", base_url=GATEWAY, model_aliases={"pictures": "gpt-image-9"})


def test_a_name_is_as_long_as_the_library_can_hold_and_no_longer() -> None:
    longest = "m" * (cast("String", images.c.model.type).length or 0)
    assert _choose(longest).name == longest
    with pytest.raises(InvalidArgument, match="no name"):
        _choose(f"{longest}m")


def test_a_shut_down_model_is_refused_by_openai_and_passed_on_elsewhere() -> None:
    with pytest.raises(UnsupportedByModel, match="2026-12-01") as refused:
        _choose("gpt-image-1.5")
    assert "Use gpt-image-2.6-sunburst or gpt-image-2.6-flare" in refused.value.next_step
    with pytest.raises(UnsupportedByModel) as configured:
        _choose("", model="gpt-image-1.5")
    assert "Set GPT_IMAGE_MODEL to gpt-image-2.6-sunburst" in configured.value.next_step
    assert _choose("gpt-image-1.5", base_url=GATEWAY).model is None
    assert _choose("gpt-image-1.5", today=date(2026, 11, 30)).model


def test_the_host_of_edits_is_the_configured_one_or_the_first_that_lives() -> None:
    assert host_of(Settings(), date(2027, 1, 13)) == "gpt-4.1-mini"
    assert host_of(Settings(), date(2027, 1, 14)) == "gpt-6-luna"
    assert host_of(Settings(responses_edit_model="gpt-5"), date(2027, 1, 14)) == "gpt-5"
