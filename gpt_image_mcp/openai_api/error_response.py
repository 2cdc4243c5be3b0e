"""An error response, as far as what it means depends on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# No model makes a picture so quickly.
_TOO_SOON_FOR_A_PICTURE_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorResponse:
    """An error response: the HTTP status (0 for an error inside a stream) and OpenAI's error object.

    Attributes:
        inner_code: A more exact code inside the error, as Azure gives it.
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
    details: Mapping[str, object] = field(default_factory=dict[str, object])
    retry_after: str = ""
    retry_after_ms: str = ""
    request_id: str | None = None
    seconds_to_answer: float = 0.0
    is_openai: bool = False
    is_error: bool = False
    is_html: bool = False
    url: str = ""

    @property
    def is_early(self) -> bool:
        """Whether it came too soon after the request for a picture to have been made."""
        return self.seconds_to_answer <= _TOO_SOON_FOR_A_PICTURE_SECONDS
