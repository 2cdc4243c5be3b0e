"""Quotes and costs: exact, sourced, never invented."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.catalogue.animations import as_animator
from gpt_image_mcp.catalogue.models import ImageModel, QualityLevel, load_catalogue
from gpt_image_mcp.catalogue.prices import (
    TokenRange,
    chat_usd,
    cost,
    formula_tokens,
    output_tokens,
    quote,
    quotes_by_quality,
)
from gpt_image_mcp.money import Cost, Quote
from gpt_image_mcp.values.pixels import Pixels
from gpt_image_mcp.values.requests import ImageRequest
from gpt_image_mcp.values.responses import ChatUsage, GeneratedImages, Route, TokenUsage


def _model(name: str = "gpt-image-2") -> ImageModel:
    model = load_catalogue().find(name)
    assert model is not None
    return model


def _request(
    model: str = "gpt-image-2", size: str = "1024x1024", quality: str = "high", n: int = 1
) -> ImageRequest:
    return ImageRequest(prompt="", model=model, size=size, quality=quality, n=n)


@pytest.mark.parametrize(
    ("name", "size", "counts"),
    [
        ("gpt-image-2", (1024, 1024), (196, 1756, 7024)),
        ("gpt-image-2", (1024, 1536), (158, 1372, 5488)),
        ("gpt-image-2", (1536, 1024), (158, 1372, 5488)),
        ("gpt-image-2", (2048, 1152), (157, 1413, 5650)),
        ("gpt-image-2", (2560, 1440), (205, 1843, 7370)),
        ("gpt-image-2", (3840, 2160), (371, 3336, 13342)),
        ("gpt-image-2", (3584, 2048), (None, None, 12329)),
        ("gpt-image-2.5-flare", (1024, 1024), (196, 439, 1756, 3122, 7024)),
        ("gpt-image-1.5", (1024, 1024), (272, 1056, 4160)),
        ("gpt-image-1.5", (1024, 1536), (408, 1584, 6240)),
    ],
)
def test_output_tokens_are_those_that_are_published(
    name: str, size: tuple[int, int], counts: tuple[int | None, ...]
) -> None:
    model = _model(name)
    for quality, count in zip(model.qualities, counts, strict=True):
        if count is not None:
            assert output_tokens(model, Pixels(*size), quality) == TokenRange(count, count)


@pytest.mark.parametrize(
    ("size", "quality", "seen"),
    [((1536, 1024), "low", 664), ((1536, 1024), "high", 1353), ((3840, 2160), "high", 3337)],
)
def test_what_was_seen_of_the_newest_models_lies_in_their_range(
    size: tuple[int, int], quality: str, seen: int
) -> None:
    tokens = output_tokens(_model("gpt-image-2.6-flare"), Pixels(*size), cast("QualityLevel", quality))
    assert tokens is not None
    assert tokens.low <= seen <= tokens.high


@given(st.sampled_from([16, 24, 48, 64, 96]), st.integers(1, 240), st.integers(1, 240))
def test_the_formula_does_not_care_which_edge_is_longer(factor: int, width: int, height: int) -> None:
    size = Pixels(width * 16, height * 16)
    assert formula_tokens(factor, size) == formula_tokens(factor, Pixels(size.height, size.width))


def test_a_fixed_choice_has_one_price_with_its_basis() -> None:
    quoted = quote(_model(), _request())
    assert quoted.expected_usd == quoted.low_usd == quoted.high_usd == Decimal("0.21072")
    assert "7,024 output tokens by the formula of gpt-image-2 at $30" in quoted.basis
    assert quote(_model(), _request(n=3)).expected_usd == Decimal("0.63216")


def test_an_open_choice_is_a_range_over_what_the_model_may_choose() -> None:
    quoted = quote(_model(), _request(size="auto", quality="auto"))
    assert quoted.expected_usd is None
    assert quoted.low_usd == Decimal("0.00474")
    assert quoted.high_usd == Decimal("0.21072")
    assert "size auto as one of 1024x1024" in quoted.basis


def test_a_prompt_costs_little_and_is_reserved_at_its_most() -> None:
    quoted = quote(_model(), replace(_request(), prompt="x" * 4000))
    assert quoted.expected_usd == Decimal("0.21072") + Decimal("0.005")
    assert quoted.high_usd == Decimal("0.21072") + Decimal("0.02")


def test_input_images_and_partial_images_are_paid_for() -> None:
    plain = quote(_model(), _request()).expected_usd
    edited = quote(_model(), _request(), input_images=2).expected_usd
    streamed = quote(_model(), replace(_request(), partial_images=2)).expected_usd
    assert plain is not None
    assert edited == plain + 2 * Decimal(1536) * 8 / 10**6
    assert streamed == plain + 200 * Decimal(30) / 10**6


@pytest.mark.parametrize("size", ["1024x1024", "2048x2048", "3840x2160"])
def test_a_quality_of_2_5_costs_what_its_factor_costs_of_2(size: str) -> None:
    older, newer = _model("gpt-image-2"), _model("gpt-image-2.5-sunburst")
    alike = {"low": "low", "medium": "high", "high": "max"}
    for quality, same in alike.items():
        asked = quote(older, _request(size=size, quality=quality))
        assert quote(newer, _request(newer.name, size=size, quality=same)).expected_usd == asked.expected_usd


@pytest.mark.parametrize(
    ("size", "prices"),
    [("1024x1024", ("0.005", "0.011", "0.036")), ("1536x1024", ("0.006", "0.015", "0.052"))],
)
def test_an_image_of_1_mini_costs_what_openai_says(size: str, prices: tuple[str, ...]) -> None:
    quotes = quotes_by_quality(_model("gpt-image-1-mini"), _request("gpt-image-1-mini", size=size))
    assert [quote.expected_usd for quote in quotes.values()] == [Decimal(price) for price in prices]


def test_frames_cost_what_the_sheet_of_them_all_costs() -> None:
    model = as_animator(_model("gpt-image-2.6-flare"), 9)
    frames = replace(_request(model.name, size="960x960"), output_format="gif", frame_count=9)
    sheet = quote(_model(model.name), _request(model.name, size="2880x2880"))
    assert quote(model, frames).high_usd == sheet.high_usd
    unsaid = quote(model, replace(frames, size="auto"))
    assert unsaid.high_usd == sheet.high_usd


def test_the_author_of_an_svg_is_reserved_and_counted() -> None:
    model = _model("gpt-image-2.6-flare")
    still, vector = _request(model.name), replace(_request(model.name), output_format="svg")
    reserved, plain = quote(model, vector).high_usd, quote(model, still).high_usd
    assert reserved is not None
    assert plain is not None
    assert reserved > plain
    author = ChatUsage(
        model="gpt-6-luna", usage=TokenUsage(input_tokens=0, output_tokens=10**6, total_tokens=0)
    )
    usage = TokenUsage(input_tokens=0, output_tokens=100, total_tokens=100, output_image_tokens=100)
    without = cost(model, _generated(usage), quote=Quote(basis="")).usd
    spent = cost(model, replace(_generated(usage), svg_author=author), quote=Quote(basis="")).usd
    assert without is not None
    assert spent == without + Decimal("0.50")


def test_unknown_tokens_give_a_range_from_nothing_to_the_most() -> None:
    model = _model("chatgpt-image-latest")
    quoted = quote(model, _request(model.name, n=2))
    assert (quoted.expected_usd, quoted.low_usd) == (None, Decimal(0))
    assert quoted.high_usd == 2 * 6240 * Decimal(32) / 10**6
    assert "publishes no token counts" in quoted.basis


def test_a_size_outside_a_table_gives_its_highest_row_as_bound() -> None:
    model = _model("gpt-image-1.5")
    quoted = quote(model, _request(model.name, size="2048x2048"))
    assert quoted.low_usd == 0
    assert quoted.high_usd == 6240 * Decimal(32) / 10**6


@pytest.mark.parametrize("model", [None, _model("dall-e-3")])
def test_unknown_prices_give_no_amounts(model: ImageModel | None) -> None:
    quoted = quote(model, _request("my-model"))
    assert (quoted.expected_usd, quoted.low_usd, quoted.high_usd) == (None, None, None)
    assert "not known" in quoted.basis


def test_the_same_call_is_quoted_at_every_quality() -> None:
    quotes = quotes_by_quality(_model(), _request(quality="auto"))
    assert {name: quoted.expected_usd for name, quoted in quotes.items()} == {
        "low": Decimal("0.00588"),
        "medium": Decimal("0.05268"),
        "high": Decimal("0.21072"),
    }
    assert quotes_by_quality(None, _request()) == {}


def test_a_cost_counts_each_kind_of_token_at_its_own_rate() -> None:
    usage = TokenUsage(
        input_tokens=1000,
        output_tokens=7100,
        total_tokens=8100,
        input_text_tokens=200,
        input_image_tokens=800,
        cached_text_tokens=100,
        cached_image_tokens=300,
        output_text_tokens=76,
        output_image_tokens=7024,
    )
    expected = (100 * 5 + 100 * Decimal("1.25") + 500 * 8 + 300 * 2 + 76 * 10 + 7024 * 32) / Decimal(10**6)
    priced = _model().model_copy(update={"prices": _model("gpt-image-1.5").prices})
    assert cost(priced, _generated(usage), quote=Quote(basis="")) == Cost(usd=expected, basis="usage")


def test_text_of_no_known_rate_costs_as_much_as_pictures() -> None:
    usage = TokenUsage(input_tokens=0, output_tokens=10, total_tokens=10, output_text_tokens=10)
    spent = cost(_model(), _generated(usage), quote=Quote(basis=""))
    assert spent.usd == 10 * Decimal(30) / 10**6


def test_tokens_of_an_unreported_kind_count_at_the_dearer_rate() -> None:
    usage = TokenUsage(input_tokens=100, output_tokens=10, total_tokens=110)
    spent = cost(_model(), _generated(usage), quote=Quote(basis=""))
    assert spent.usd == (100 * Decimal(8) + 10 * Decimal(30)) / 10**6


def test_without_usage_an_exact_quote_stands_in() -> None:
    exact = quote(_model(), _request())
    assert cost(_model(), _generated(None), quote=exact) == Cost(usd=Decimal("0.21072"), basis="quote")
    open_choice = quote(_model(), _request(quality="auto"))
    assert cost(_model(), _generated(None), quote=open_choice) == Cost(usd=None, basis="unknown")
    assert cost(None, _generated(None), quote=Quote(basis="")) == Cost(usd=None, basis="unknown")


counts = st.integers(0, 10**6)


@given(total=counts, text=st.none() | counts, image=st.none() | counts, out=counts)
def test_a_cost_never_falls_below_the_cheapest_rate(
    total: int, text: int | None, image: int | None, out: int
) -> None:
    usage = TokenUsage(
        input_tokens=total,
        output_tokens=out,
        total_tokens=total + out,
        input_text_tokens=text,
        input_image_tokens=image,
    )
    spent = cost(_model(), _generated(usage), quote=Quote(basis=""))
    assert spent.usd is not None
    assert spent.usd >= (total * Decimal(5) + out * Decimal(10)) / 10**6


def _generated(usage: TokenUsage | None, host: ChatUsage | None = None) -> GeneratedImages:
    route: Route = "responses" if host else "images"
    return GeneratedImages(images=(b"x",), usage=usage, route=route, host=host)


HOST_TOKENS = TokenUsage(input_tokens=2000, output_tokens=100, total_tokens=2100, cached_text_tokens=500)
HOST_USD = (1500 * Decimal("0.40") + 500 * Decimal("0.10") + 100 * Decimal("1.60")) / 1_000_000


def test_the_responses_route_adds_the_host_model_at_its_own_rates() -> None:
    usage = TokenUsage(input_tokens=0, output_tokens=1000, total_tokens=1000)
    direct = cost(_model(), _generated(usage), quote=Quote(basis=""))
    hosted = cost(
        _model(), _generated(usage, ChatUsage(model="gpt-4.1-mini", usage=HOST_TOKENS)), quote=Quote(basis="")
    )
    assert direct.usd is not None
    assert hosted == Cost(usd=direct.usd + HOST_USD, basis="usage")


def test_without_the_image_tools_usage_the_quote_stands_in_for_its_part() -> None:
    exact = Quote(expected_usd=Decimal("0.2"), basis="")
    host = ChatUsage(model="gpt-4.1-mini", usage=HOST_TOKENS)
    spent = cost(_model(), _generated(None, host), quote=exact)
    assert spent == Cost(usd=Decimal("0.2") + HOST_USD, basis="usage+quote")
    assert cost(_model(), _generated(None, host), quote=Quote(basis="")).usd is None


def test_tokens_of_a_host_model_that_reports_no_cached_ones_cost_the_full_rate() -> None:
    usage = TokenUsage(input_tokens=2000, output_tokens=0, total_tokens=2000)
    host = ChatUsage(model="gpt-4.1-mini", usage=usage)
    assert chat_usd(host) == 2000 * Decimal("0.40") / 1_000_000


def test_a_quote_for_size_auto_names_the_sizes_that_it_covers() -> None:
    basis = quote(_model(), replace(_request(quality="low"), size="auto")).basis
    assert "size auto as one of 1024x1024, 1536x1024, 1024x1536" in basis


def test_a_host_model_without_known_prices_adds_nothing() -> None:
    assert chat_usd(ChatUsage(model="my-host", usage=HOST_TOKENS)) == 0
    assert chat_usd(ChatUsage(model="gpt-4.1-mini", usage=None)) == 0
    assert chat_usd(None) == 0


def test_the_responses_route_is_quoted_with_the_most_that_its_host_model_costs() -> None:
    request = replace(_request(quality="low"), prompt="a fox")
    plain = quote(_model(), request, input_images=1)
    hosted = quote(_model(), request, input_images=1, host_model="gpt-4.1-mini")
    assert plain.high_usd is not None
    assert hosted.high_usd is not None
    assert hosted.high_usd > plain.high_usd
    assert (hosted.expected_usd, hosted.low_usd) == (None, plain.low_usd)
    assert "gpt-4.1-mini" in hosted.basis
    assert quote(_model(), request, input_images=1, host_model="my-host") == plain
    assert quotes_by_quality(_model(), request, input_images=1, host_model="gpt-4.1-mini")["low"] == hosted


def test_the_responses_route_makes_no_partial_images_and_charges_none() -> None:
    request = _request(quality="low")
    streamed = replace(request, partial_images=3)
    assert quote(_model(), streamed, host_model="gpt-4.1-mini") == quote(
        _model(), request, host_model="gpt-4.1-mini"
    )
    assert quote(_model(), streamed) != quote(_model(), request)
