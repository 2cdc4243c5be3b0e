"""Requests checked against the model before anything is sent."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.catalogue.prompt_language import require_english
from gpt_image_mcp.catalogue.validation import ValidRequest, validate_input_images, validate_request
from gpt_image_mcp.errors import InvalidArgument, RequestError, UnsupportedByModel
from gpt_image_mcp.settings import Settings
from gpt_image_mcp.values.options import OutputOptions


def _check(
    prompt: str = "a fox",
    *,
    moderation: str = "auto",
    settings: Settings | None = None,
    today: date | None = None,
    **options: Any,
) -> ValidRequest:
    return validate_request(
        prompt,
        OutputOptions(**options),
        moderation=moderation,
        settings=settings or Settings(),
        today=today,
    )


def test_defaults_come_from_the_settings() -> None:
    settings = Settings(model="gpt-image-2.5-flare", quality="hd", partial_images=2)
    request = _check(settings=settings).request
    assert (request.model, request.quality, request.partial_images) == ("gpt-image-2.5-flare", "high", 2)
    assert _check(settings=settings, quality="low").request.quality == "low"


def test_several_images_are_asked_for_without_partial_ones_and_a_note_says_so() -> None:
    settings = Settings(partial_images=2)
    single, several = _check(settings=settings), _check(settings=settings, n=2)
    assert (single.request.partial_images, several.request.partial_images) == (2, 0)
    assert [note for note in several.notes if "partial" in note] == [
        "No partial images (GPT_IMAGE_PARTIAL_IMAGES is 2) are made for n above 1."
    ]
    assert not any("partial" in note for note in (*single.notes, *_check(n=2).notes))


def test_an_open_request_leaves_the_choice_to_the_model() -> None:
    request = _check().request
    assert (request.model, request.size, request.quality, request.background) == (
        "gpt-image-2",
        "auto",
        "auto",
        "auto",
    )
    assert request.output_compression is None


@pytest.mark.parametrize(
    ("asked", "sent"), [("standard", "medium"), ("HD", "high"), (" Low ", "low"), ("", "auto")]
)
def test_older_names_of_qualities_are_understood(asked: str, sent: str) -> None:
    assert _check(quality=asked).request.quality == sent


@pytest.mark.parametrize(("asked", "sent"), [("jpg", "jpeg"), (".PNG", "png"), ("WebP", "webp")])
def test_formats_are_understood_as_people_write_them(asked: str, sent: str) -> None:
    assert _check(output_format=asked).request.output_format == sent


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"quality": "best"}, InvalidArgument, "low, medium, high"),
        ({"quality": "max", "model": "gpt-image-2"}, UnsupportedByModel, "gpt-image-2.5-sunburst"),
        ({"output_format": "bmp"}, InvalidArgument, "png, jpeg, webp"),
        ({"output_format": "apng"}, InvalidArgument, "gif, svg"),
        ({"output_format": "image/svg+xml", "n": 2}, InvalidArgument, "an svg is made alone"),
        ({"output_format": "svg", "output_compression": 50}, InvalidArgument, "svg takes none"),
        ({"output_format": "svg", "exact_size": "500x300"}, InvalidArgument, "svg, which does not go with"),
        ({"output_format": "gif", "frame_count": 1}, InvalidArgument, "2 to 16"),
        ({"output_format": "gif", "frame_count": 17}, InvalidArgument, "2 to 16"),
        ({"output_format": "gif", "frame_duration_ms": 655_360}, InvalidArgument, "655,350"),
        ({"frame_count": 4}, InvalidArgument, "Use output_format gif"),
        ({"frame_duration_ms": 40}, InvalidArgument, "Use output_format gif"),
        ({"complexity": "most"}, InvalidArgument, "auto, low, medium, high"),
        ({"background": "blue"}, InvalidArgument, "auto, opaque, transparent"),
        ({"background": "transparent", "output_format": "jpg"}, InvalidArgument, "transparent"),
        ({"output_compression": 50}, InvalidArgument, "50"),
        ({"output_compression": 101, "output_format": "webp"}, InvalidArgument, "100"),
        ({"output_compression": -1}, InvalidArgument, "100"),
        ({"n": 0}, InvalidArgument, "10"),
        ({"n": 11}, InvalidArgument, "10"),
        ({"user": "x" * 257}, InvalidArgument, "256"),
        ({"model": "dall-e-2"}, UnsupportedByModel, "gpt-image-2"),
    ],
)
def test_what_cannot_work_is_refused_with_what_can(
    options: dict[str, Any], error: type[RequestError], words: str
) -> None:
    with pytest.raises(error) as refusal:
        _check(**options)
    assert words in refusal.value.message + refusal.value.next_step


def test_moderation_is_checked_too() -> None:
    assert _check(moderation="low").request.moderation == "low"
    with pytest.raises(InvalidArgument, match="moderation"):
        _check(moderation="off")


def test_compression_is_sent_where_it_means_something() -> None:
    assert _check(output_format="webp", output_compression=80).request.output_compression == 80
    assert _check(output_format="jpeg", output_compression=0).request.output_compression == 0
    assert _check(output_format="jpeg", output_compression=100).request.output_compression is None


def test_transparency_of_which_nobody_knows_is_sent_with_a_note() -> None:
    checked = _check(background="transparent", model="gpt-image-1-mini", today=date(2026, 11, 30))
    assert checked.request.background == "transparent"
    assert any("not sure" in note for note in checked.notes)
    sure = _check(background="transparent", model="gpt-image-2.5-flare")
    assert not sure.notes


def test_an_unknown_model_is_passed_on_with_a_note() -> None:
    checked = _check(model="my-gateway/image", size="100x100", quality="max")
    assert checked.model is None
    assert (checked.request.model, checked.request.size) == ("my-gateway/image", "100x100")
    assert any("not in the catalogue" in note for note in checked.notes)
    assert checked.request.partial_images == 0


def test_a_model_that_will_end_is_used_with_a_note_and_refused_from_its_last_day_on() -> None:
    checked = _check(model="gpt-image-1.5", today=date(2026, 11, 30))
    assert checked.model is not None
    (note,) = checked.notes
    assert "2026-12-01" in note
    assert "gpt-image-2.6-flare" in note
    with pytest.raises(UnsupportedByModel, match="2026-12-01") as caught:
        _check(model="gpt-image-1.5", today=date(2026, 12, 1))
    assert "gpt-image-2.6-flare" in caught.value.next_step


def test_a_gateway_may_still_have_what_openai_shut_down() -> None:
    settings = Settings(base_url="https://gateway.example/v1")
    checked = _check(model="gpt-image-1", settings=settings)
    assert checked.request.model == "gpt-image-1"
    assert any("2026-10-23" in note for note in checked.notes)


@pytest.mark.parametrize("prompt", ["", "  \n", "\0\0"])
def test_an_empty_prompt_is_refused(prompt: str) -> None:
    with pytest.raises(InvalidArgument, match="prompt"):
        _check(prompt)


def test_the_longest_prompt_is_sent_and_one_more_character_is_refused() -> None:
    assert len(_check("x" * 32_000).request.prompt) == 32_000
    with pytest.raises(InvalidArgument, match="32,001"):
        _check("x" * 32_001)


def test_what_json_cannot_carry_is_removed_with_a_note() -> None:
    checked = _check("a \ud800fox\0 in snow \U0001f98a")
    assert checked.request.prompt == "a fox in snow \U0001f98a"
    assert any("removed" in note for note in checked.notes)


@given(st.text(st.characters(codec=None), max_size=50))
def test_any_prompt_is_sendable_or_refused(prompt: str) -> None:
    try:
        sent = _check(prompt).request.prompt
    except InvalidArgument:
        return
    assert sent.encode()
    assert "\0" not in sent


ENGLISH = Settings(prompt_language="english")


@pytest.mark.parametrize(
    "prompt",
    [
        "a red fox in deep snow at dawn",
        "fox",
        "café in Malmö with a naïve mural",
        'a neon sign that says "Öffnungszeiten: 北京"',
        "a label with the words 'die Katze und der Hund'",
        "isometric icon, 3 colours, #ff0000",
    ],
)
def test_english_prompts_pass_where_english_is_demanded(prompt: str) -> None:
    assert _check(prompt, settings=ENGLISH).request.prompt == prompt


@pytest.mark.parametrize(
    "prompt",
    [
        "ein roter Fuchs im tiefen Schnee",
        "un renard roux dans la neige",
        "un zorro rojo en la nieve con una luna",
        "雪の中の赤い狐",
        "рыжая лиса в снегу",
        "a fox in the snow, 赤い",
    ],
)
def test_other_languages_are_refused_where_english_is_demanded(prompt: str) -> None:
    with pytest.raises(InvalidArgument, match="GPT_IMAGE_PROMPT_LANGUAGE"):
        _check(prompt, settings=ENGLISH)
    assert _check(prompt).request.prompt == prompt


@pytest.mark.parametrize("mark", ['"', "“", "«", "„", "「", "『", " '", "' x", "„«"])
def test_a_million_opening_quotes_are_read_once(mark: str) -> None:
    require_english("a fox in the " + mark * 1_000_000)
    with pytest.raises(InvalidArgument, match="not English"):
        require_english("ein roter Fuchs im Schnee: " + mark * 1_000_000)


@pytest.mark.parametrize("count", [-1, 17])
def test_more_input_images_than_a_model_takes_are_refused(count: int) -> None:
    for model in (None, _check().model):
        validate_input_images(16, model)
        with pytest.raises(InvalidArgument, match=str(count)):
            validate_input_images(count, model)
