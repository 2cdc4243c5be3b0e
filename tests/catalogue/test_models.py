"""The model catalogue: complete, sourced, and refused when malformed."""

from __future__ import annotations

import datetime as dt
from typing import get_args

import pytest
from openai.types import ImageModel as SdkModel
from pydantic import ValidationError

from gpt_image_mcp.catalogue.models import Confidence, CustomSizes, load_catalogue, parse_catalogue

CATALOGUE = load_catalogue()
NAMES = {model.name for model in CATALOGUE.models}


def test_every_model_of_the_sdk_is_known() -> None:
    assert set(get_args(SdkModel)) <= NAMES


def test_every_block_of_facts_has_a_source_and_a_confidence() -> None:
    for model in CATALOGUE.models:
        for fact in (model, model.sizes, model.tokens, model.input_tokens, model.prices, model.shutdown):
            if fact is not None:
                assert fact.source
                assert fact.checked >= dt.date(2026, 11, 20)
                assert fact.confidence in get_args(Confidence)


def test_a_snapshot_has_all_facts_of_its_model() -> None:
    model, snapshot = CATALOGUE.find("gpt-image-2"), CATALOGUE.find("gpt-image-2-2026-04-21")
    assert model is not None
    assert snapshot is not None
    assert snapshot.snapshot_of == model.name
    assert (snapshot.sizes, snapshot.prices, snapshot.tokens) == (model.sizes, model.prices, model.tokens)


def test_a_name_is_found_whatever_its_case_and_blanks() -> None:
    found = CATALOGUE.find(" GPT-Image-2 ")
    assert found is not None
    assert found.name == "gpt-image-2"
    assert CATALOGUE.find("gpt-image-3") is None


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("gpt-image-1", dt.date(2026, 10, 23)),
        ("gpt-image-1.5", dt.date(2026, 12, 1)),
        ("gpt-image-1.5-2025-12-16", dt.date(2026, 12, 1)),
        ("gpt-image-1-mini", dt.date(2026, 12, 1)),
        ("chatgpt-image-latest", dt.date(2026, 12, 1)),
    ],
)
def test_a_model_is_gone_from_the_day_that_openai_documents(name: str, end: dt.date) -> None:
    model = CATALOGUE.find(name)
    assert model is not None
    assert model.shutdown is not None
    assert model.shutdown.date == end
    assert not model.is_shut_down(end - dt.timedelta(days=1))
    assert model.is_shut_down(end)
    for named in model.shutdown.successors:
        successor = CATALOGUE.find(named)
        assert successor is not None
        assert successor.shutdown is None


def test_an_end_that_only_others_name_does_not_count() -> None:
    model = CATALOGUE.find("gpt-image-1")
    assert model is not None
    assert model.shutdown is not None
    rumour = model.shutdown.model_copy(update={"confidence": "third_party"})
    assert not model.model_copy(update={"shutdown": rumour}).is_shut_down(dt.date(2099, 1, 1))


def test_a_model_without_an_end_never_ends() -> None:
    model = CATALOGUE.find("gpt-image-2")
    assert model is not None
    assert not model.is_shut_down(dt.date(2099, 1, 1))


def test_the_classic_sizes_fit_every_rule() -> None:
    for model in CATALOGUE.models:
        if isinstance(model.sizes, CustomSizes):
            assert 1024 % model.sizes.multiple == 0
            assert model.sizes.min_pixels <= 1024 * 1024 <= model.sizes.max_pixels


@pytest.mark.parametrize(
    "change",
    [
        ('confidence = "documented"', 'confidence = "certain"'),
        ('image_output = "30"', 'image_output = "thirty"'),
        ('transparency = "no"', 'transparency = "maybe"'),
        ("max_ratio = 3", "max_ratio = 3\nspelling_mistake = 1"),
        ("factors = { low = 16, medium = 48, high = 96 }", "factors = { lowest = 16 }"),
    ],
)
def test_a_malformed_catalogue_is_refused(change: tuple[str, str]) -> None:
    from importlib.resources import files

    text = files("gpt_image_mcp.catalogue").joinpath("models.toml").read_text(encoding="utf-8")
    assert change[0] in text
    with pytest.raises(ValidationError):
        parse_catalogue(text.replace(*change, 1))
