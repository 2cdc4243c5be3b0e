"""What a call may cost, and what it did cost, in exact decimals.

Output tokens follow the model's rule in the catalogue; prices are US dollars per million tokens. A quote that
cannot be exact is a range, of which a budget reserves the upper end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from gpt_image_mcp.catalogue.animations import sheet_size
from gpt_image_mcp.catalogue.models import (
    CustomSizes,
    FormulaTokens,
    RangeTokens,
    TableTokens,
    UnknownTokens,
    load_catalogue,
)
from gpt_image_mcp.catalogue.size_rules import nearest, parse_pixels, shape_size
from gpt_image_mcp.catalogue.sizes import AUTO
from gpt_image_mcp.money import Cost, Quote
from gpt_image_mcp.values.pixels import Pixels
from gpt_image_mcp.values.requests import SVG

if TYPE_CHECKING:
    from gpt_image_mcp.catalogue.models import ImageModel, Prices, QualityLevel, TokenRule
    from gpt_image_mcp.values.requests import ImageRequest
    from gpt_image_mcp.values.responses import ChatUsage, GeneratedImages, TokenUsage

_MILLION = Decimal(1_000_000)
PARTIAL_IMAGE_TOKENS = 100
# OpenAI's rule of thumb for English.
_USUAL_CHARACTERS_PER_TOKEN = 4
# A generous bound for what a chat model reads of an image, and writes to call the image tool.
_HOST_TOKENS_PER_IMAGE, _HOST_OUTPUT_TOKENS = 4000, 2000
_SVG_OUTPUT_TOKENS = 30_000
# The pictures that an edit in the shape of image 1 costs least and most for.
_EXTREME_INPUTS = (Pixels(48, 16), Pixels(4096, 4096))
# What the API was seen to choose for size auto.
_AUTO_SIZES = (Pixels(1024, 1024), Pixels(1536, 1024), Pixels(1024, 1536))


@dataclass(frozen=True, slots=True)
class TokenRange:
    """The fewest and the most tokens something takes."""

    low: int
    high: int

    def __add__(self, tokens: int) -> TokenRange:
        return TokenRange(self.low + tokens, self.high + tokens)

    def __mul__(self, count: int) -> TokenRange:
        return TokenRange(self.low * count, self.high * count)


def output_tokens(model: ImageModel, size: Pixels, quality: QualityLevel) -> TokenRange | None:
    """Output tokens of one image; None where the catalogue has no rule for this size and quality."""
    rule = model.tokens
    if isinstance(rule, TableTokens):
        tokens = rule.table.get(str(size), {}).get(quality)
        return None if tokens is None else TokenRange(tokens, tokens)
    if not isinstance(rule, FormulaTokens | RangeTokens) or quality not in rule.factors:
        return None
    tokens = formula_tokens(rule.factors[quality], size)
    if isinstance(rule, FormulaTokens):
        return TokenRange(tokens, tokens)
    low, high = rule.multipliers[quality]
    return TokenRange(math.floor(tokens * low), math.ceil(tokens * high))


def formula_tokens(factor: int, size: Pixels) -> int:
    """OpenAI's calculator formula for one image; the source is in the catalogue."""
    # Whole-number arithmetic: (2 f short + long) // (2 long) is round-half-up of f * short / long.
    short, long = min(size), max(size)
    scaled = (2 * factor * short + long) // (2 * long)
    return -(-factor * scaled * (2_000_000 + size.area) // 4_000_000)


def quote(
    model: ImageModel | None, request: ImageRequest, *, input_images: int = 0, host_model: str = ""
) -> Quote:
    """What a request may cost before it is made, on the Responses route if it names a host model."""
    # The Responses route makes no partial images.
    made = replace(request, partial_images=0) if host_model else request
    plain = _quote_images(model, made, input_images=input_images)
    if request.output_format == SVG:
        plain = _with_author(plain, request.prompt)
    return _with_host(plain, host_model, request.prompt, input_images=input_images) if host_model else plain


def _quote_images(model: ImageModel | None, request: ImageRequest, *, input_images: int) -> Quote:
    if model is None or model.prices is None:
        return Quote(basis=f"The prices of {request.model} are not known.")
    sizes = _sizes(model, request, input_images=input_images)
    tokens = _output_range(model, request, sizes)
    if isinstance(model.tokens, UnknownTokens) or tokens is None:
        return _bound(model, model.prices, request, input_images=input_images)
    made = (tokens + PARTIAL_IMAGE_TOKENS * request.partial_images) * request.n
    usual, highest = _input_usd(model, model.prices, request.prompt, input_images=input_images)
    low = usual + _usd(made.low, model.prices.image_output)
    high = highest + _usd(made.high, model.prices.image_output)
    return Quote(
        expected_usd=low if made.low == made.high else None,
        low_usd=low,
        high_usd=high,
        basis=_basis(model, model.prices, request, made=made, sizes=sizes),
    )


def quotes_by_quality(
    model: ImageModel | None, request: ImageRequest, *, input_images: int = 0, host_model: str = ""
) -> dict[str, Quote]:
    """The same request at every quality of the model."""
    qualities = model.qualities if model else ()
    return {
        quality: quote(
            model, replace(request, quality=quality), input_images=input_images, host_model=host_model
        )
        for quality in qualities
    }


def cost(model: ImageModel | None, generated: GeneratedImages, *, quote: Quote) -> Cost:
    """What a call did cost: by the returned usage, else by an exact quote, else unknown.

    The tokens of the chat model that hosted an edit, or wrote an SVG, are added if its prices are known.
    """
    prices = model.prices if model else None
    if prices is not None and generated.usage is not None:
        made = Cost(usd=_usage_usd(prices, generated.usage), basis="usage")
    elif quote.expected_usd is not None:
        made = Cost(usd=quote.expected_usd, basis="usage+quote" if generated.host else "quote")
    else:
        return Cost(usd=None, basis="unknown")
    chats = chat_usd(generated.host) + chat_usd(generated.svg_author)
    return replace(made, usd=(made.usd or Decimal(0)) + chats)


def refusal_usd(model: ImageModel | None, billed: GeneratedImages) -> Decimal | None:
    """What an answer without an image did cost: the tokens that it reports; None if it reports none."""
    prices = model.prices if model else None
    image_usd = _usage_usd(prices, billed.usage) if prices and billed.usage else Decimal(0)
    return image_usd + chat_usd(billed.host) + chat_usd(billed.svg_author) or None


def chat_usd(chat: ChatUsage | None) -> Decimal:
    """What a chat model cost, the host of an edit or the author of an SVG; 0 where that is unknown."""
    prices = load_catalogue().find_host(chat.model) if chat else None
    if chat is None or chat.usage is None or prices is None:
        return Decimal(0)
    used = chat.usage
    cached = min(used.cached_text_tokens or 0, used.input_tokens)
    return (
        _usd(used.input_tokens - cached, prices.input)
        + _usd(cached, prices.cached_input)
        + _usd(used.output_tokens, prices.output)
    )


def _with_host(quote: Quote, host_model: str, prompt: str, *, input_images: int) -> Quote:
    """A quote with what the host model may cost at most added to its upper end; it is then a range."""
    prices = load_catalogue().find_host(host_model)
    if prices is None or quote.high_usd is None:
        return quote
    # One image more, for a mask.
    read = len(prompt.encode("utf-8", "replace")) + _HOST_TOKENS_PER_IMAGE * (input_images + 1)
    most = _usd(read, prices.input) + _usd(_HOST_OUTPUT_TOKENS, prices.output)
    basis = f"{quote.basis} The host model {host_model} adds up to ${most:.4f}."
    return replace(quote, expected_usd=None, high_usd=quote.high_usd + most, basis=basis)


def _with_author(quote: Quote, prompt: str) -> Quote:
    """A quote with what the chat model that writes an SVG may cost added to its upper end.

    Nobody has published how many tokens that takes, or which model it is, so a generous number is reserved at
    the rates of the dearest chat model in the catalogue.
    """
    if quote.high_usd is None:
        return quote
    dearest = max(load_catalogue().hosts, key=lambda host: host.output)
    read = len(prompt.encode("utf-8", "replace")) + _HOST_TOKENS_PER_IMAGE
    most = _usd(read, dearest.input) + _usd(_SVG_OUTPUT_TOKENS, dearest.output)
    basis = f"{quote.basis} The model that writes the svg is assumed to add up to ${most:.4f}."
    return replace(quote, expected_usd=None, high_usd=quote.high_usd + most, basis=basis)


def _usage_usd(prices: Prices, usage: TokenUsage) -> Decimal:
    """Each kind of token at its own rate; tokens of an unreported kind or unknown rate at the dearer one."""
    text, image = _split(usage.input_tokens, usage.input_text_tokens, usage.input_image_tokens)
    cached_text, cached_image = usage.cached_text_tokens or 0, usage.cached_image_tokens or 0
    out_text, out_image = _split(usage.output_tokens, usage.output_text_tokens, usage.output_image_tokens)
    return sum(
        (
            _usd(max(text - cached_text, 0), prices.text_input),
            _usd(cached_text, prices.cached_text_input),
            _usd(max(image - cached_image, 0), prices.image_input),
            _usd(cached_image, prices.cached_image_input),
            _usd(out_text, prices.text_output or prices.image_output),
            _usd(out_image, prices.image_output),
        ),
        Decimal(0),
    )


def _split(total: int, text: int | None, image: int | None) -> tuple[int, int]:
    """Text and image tokens of a total; what the details leave open counts as image tokens."""
    known_text = min(text or 0, total)
    return known_text, max(total - known_text, image or 0)


def _usd(tokens: int, price: Decimal) -> Decimal:
    return tokens * price / _MILLION


def _sizes(model: ImageModel, request: ImageRequest, *, input_images: int) -> tuple[Pixels, ...]:
    """The sizes that a request may come to; of an edit that keeps its shape the cheapest and the dearest."""
    if exact := parse_pixels(request.size):
        return (exact,)
    if request.frame_count and not input_images:
        return (nearest(model.sizes, ratio=1, pixels=_AUTO_SIZES[0].area),)
    if input_images and isinstance(model.sizes, CustomSizes):
        return tuple(shape_size(model, image) for image in _EXTREME_INPUTS)
    return _AUTO_SIZES


def _output_range(model: ImageModel, request: ImageRequest, sizes: tuple[Pixels, ...]) -> TokenRange | None:
    """Tokens of one image over everything the model may choose for ``auto``."""
    qualities = model.qualities if request.quality == AUTO else (cast("QualityLevel", request.quality),)
    sheets = [sheet_size(size, request.frame_count) for size in sizes]
    ranges = [output_tokens(model, size, quality) for size in sheets for quality in qualities]
    known = [tokens for tokens in ranges if tokens is not None]
    if not known or len(known) < len(ranges):
        return None  # a gap in a table must not make the range look narrower than it is
    return TokenRange(min(tokens.low for tokens in known), max(tokens.high for tokens in known))


def _input_usd(
    model: ImageModel, prices: Prices, prompt: str, *, input_images: int
) -> tuple[Decimal, Decimal]:
    """What prompt and input images usually cost, and the most they can; images always at their most."""
    images = _usd(input_images * model.input_tokens.max_tokens, prices.image_input)
    usual = _usd(len(prompt) // _USUAL_CHARACTERS_PER_TOKEN, prices.text_input)
    # No token is shorter than a byte.
    highest = _usd(len(prompt.encode("utf-8", "replace")), prices.text_input)
    return images + usual, images + highest


def _bound(model: ImageModel, prices: Prices, request: ImageRequest, *, input_images: int) -> Quote:
    """The quote of a call whose token counts are not published: only its upper end is known."""
    made = (_highest_tokens(model.tokens) + PARTIAL_IMAGE_TOKENS * request.partial_images) * request.n
    _, inputs = _input_usd(model, prices, request.prompt, input_images=input_images)
    return Quote(
        low_usd=Decimal(0),
        high_usd=inputs + _usd(made, prices.image_output),
        basis=f"OpenAI publishes no token counts for {model.name} at {request.size}; a budget reserves "
        f"{made:,} output tokens at ${prices.image_output} per million.",
    )


def _highest_tokens(rule: TokenRule) -> int:
    """The most tokens of one image at any size the rule knows."""
    if isinstance(rule, UnknownTokens):
        return rule.highest_tokens
    counts = rule.table.values() if isinstance(rule, TableTokens) else ()
    return max((tokens for row in counts for tokens in row.values()), default=0)


def _basis(
    model: ImageModel, prices: Prices, request: ImageRequest, *, made: TokenRange, sizes: tuple[Pixels, ...]
) -> str:
    count = f"{made.low:,}" if made.low == made.high else f"{made.low:,} to {made.high:,}"
    origin = {"formula": "formula", "table": "table", "range": "observed range"}[model.tokens.kind]
    rule = f"{origin} of {model.name}"
    named = ", ".join(map(str, sizes))
    one_of = f"image 1's shape, {sizes[0]} to {sizes[-1]}"
    one_of = f"one of {named}" if sizes == _AUTO_SIZES or len(sizes) == 1 else one_of
    auto = f", size auto as {one_of}" if request.size == AUTO else ""
    return (
        f"{count} output tokens by the {rule}{auto} at ${prices.image_output} per million, input text at "
        f"${prices.text_input}, an input image as {model.input_tokens.max_tokens:,} tokens at "
        f"${prices.image_input}."
    )
