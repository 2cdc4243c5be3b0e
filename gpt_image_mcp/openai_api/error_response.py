"""An error response, as far as what it means depends on it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile

# No model makes a picture so quickly.
_TOO_SOON_FOR_A_PICTURE_SECONDS = 2.0
# So many characters of a prompt tell that a message quotes it; a word of a few may stand there by chance.
_QUOTED_AT_LEAST, _SHORTEST_PROMPT = 20, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorResponse:
    """An error response: the HTTP status (0 for an error inside a stream) and OpenAI's error object.

    Attributes:
        inner_code: A more exact code inside the error, as Azure gives it.
        stage: Of a moderation: whether it refused the input or the output.
        categories: What the moderation found.
        prompt: The prompt that was sent, which some messages quote.
        url: The address that was asked, without secrets.
        is_error: Whether the body is the object of an error.
        is_html: Whether a page for people came in place of JSON.
        seconds_to_answer: Between the last byte of the request and the response.
        is_openai: Whether OpenAI's own host answered, rather than a gateway.
    """

    status: int
    message: str
    code: str = ""
    inner_code: str = ""
    type: str = ""
    param: str = ""
    stage: str = ""
    categories: tuple[str, ...] = ()
    retry_after: str = ""
    retry_after_ms: str = ""
    request_id: str | None = None
    seconds_to_answer: float = 0.0
    is_openai: bool = False
    is_error: bool = False
    is_html: bool = False
    prompt: str = ""
    url: str = ""

    @property
    def is_early(self) -> bool:
        """Whether it came too soon after the request for a picture to have been made."""
        return is_early(self.seconds_to_answer)

    @property
    def own_words(self) -> str:
        """The message without what it quotes of the prompt."""
        words, start = self.message, self.prompt[:_QUOTED_AT_LEAST]
        while len(start) >= _SHORTEST_PROMPT and (position := words.find(start)) >= 0:
            pairs = zip(words[position:], self.prompt, strict=False)
            length = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
            words = words[:position] + words[position + length :]
        return words


def is_early(seconds_to_answer: float) -> bool:
    """Whether no picture can have been made in so short a time."""
    return seconds_to_answer <= _TOO_SOON_FOR_A_PICTURE_SECONDS
