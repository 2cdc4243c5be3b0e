"""Everything that can go wrong, as one tree.

    ImageError
    ├── RequestError              refused here; nothing was sent, nothing was spent
    │   ├── InvalidArgument       invalid_argument
    │   │   └── InvalidSetting    invalid_argument (an environment variable)
    │   ├── UnsupportedByModel    unsupported_by_model
    │   ├── MissingApiKey         missing_api_key
    │   ├── InputNotFound         input_not_found
    │   ├── InputRejected         input_rejected
    │   ├── OutputRejected        output_rejected
    │   ├── BudgetExceeded        budget_exceeded
    │   └── NotFound              not_found
    │       └── LinkEnded             not_found (a signed link that was used, or is too old)
    ├── UpstreamError             the API's answer
    │   ├── AuthenticationFailed      authentication_failed
    │   ├── OrganizationNotVerified   organization_not_verified
    │   ├── ModerationBlocked         moderation_blocked
    │   ├── RateLimited               rate_limited          (can succeed later)
    │   ├── QuotaExhausted            quota_exhausted
    │   ├── UpstreamRejected          upstream_rejected
    │   │   └── WrongAddress          upstream_rejected (OPENAI_BASE_URL leads somewhere else)
    │   ├── UpstreamUnavailable       upstream_unavailable  (can succeed later)
    │   └── OutcomeUnknown            outcome_unknown
    ├── NotSent                   nothing left this machine; nothing was spent
    │   ├── UnusableCredentials       authentication_failed (also an AuthenticationFailed)
    │   ├── UnusableConnection        invalid_argument      (also an InvalidArgument)
    │   └── Unreachable               upstream_unavailable  (also an UpstreamUnavailable)
    ├── Cancelled                 cancelled
    ├── StorageFailed             storage_failed
    │   ├── UnstorableValue           invalid_argument (the database can hold no such value)
    │   └── DatabaseFailed            storage_failed (the database cannot be used)
    │       ├── DatabaseDamaged           storage_failed (SQLite itself says that its file is damaged)
    │       └── DatabaseInterrupted       storage_failed (its server went away in a transaction)
    └── InternalError             internal

An error knows its code, whether the same call can succeed later, and the next step to take. Errors are
raised where they are noticed and worded for the person or model that reads them; ``mcp_app/middleware.py``
turns them into tool results, ``cli/app.py`` into exit codes.
"""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import TYPE_CHECKING, ClassVar

from gpt_image_mcp.coercion import whole_characters
from gpt_image_mcp.object_paths import location
from gpt_image_mcp.visible_text import visible

if TYPE_CHECKING:
    from gpt_image_mcp.values.responses import GeneratedImages

ECHO_CHARACTERS, PATH_CHARACTERS = 100, 500
AGAIN_LATER = "The same call can succeed later."
AGAIN_IN_VAIN = "The same call would fail again."


def quoted(value: object) -> str:
    """A value that a caller sent, in quotes as Python writes it, as messages repeat it: never long."""
    return cut(repr(value))


def cut(text: object, characters: int = ECHO_CHARACTERS) -> str:
    """A text that a caller sent; of a long one the beginning and the end, where a path has its name.

    A path may be longer: whoever reads it wants to know where it was looked for.
    """
    whole = location(text) if isinstance(text, Path) else str(text)
    characters = PATH_CHARACTERS if isinstance(text, PurePath) else characters
    end = characters * 2 // 5
    return whole if len(whole) <= characters else f"{whole[: characters - end - 1]}…{whole[-end:]}"


class ImageError(Exception):
    """Base of all errors this package raises on purpose.

    Attributes:
        code: The machine-readable name of the contract.
        retryable: Whether the very same call can succeed later.
        next_step: What to do now, one or two sentences.
        request_id: OpenAI's id of the request that failed, where there was one.
        billed: The tokens of an answer that holds no image, where it reports them.
    """

    code: ClassVar[str] = "internal"
    default_retryable: ClassVar[bool] = False
    billed: GeneratedImages | None = None

    def __init__(
        self, message: str, *, next_step: str, request_id: str | None = None, retryable: bool | None = None
    ) -> None:
        super().__init__(message)
        # The name of a file may hold bytes that are no text, which can neither be sent nor stored.
        # Words of others in it are not the next step, which stands behind it.
        self.message = visible(whole_characters(message)).replace("Next:", "next:")
        self.next_step = visible(whole_characters(next_step))
        self.request_id = request_id
        self.retryable = self.default_retryable if retryable is None else retryable

    def __str__(self) -> str:
        """The whole text that a caller sees: code, what happened, whether to repeat it, what to do."""
        again = AGAIN_LATER if self.retryable else AGAIN_IN_VAIN
        return f"{self.code}: {self.message} {again} Next: {self.next_step}"


class RequestError(ImageError):
    """The call was refused before anything was sent."""


class InvalidArgument(RequestError):
    """An argument has a value that no model accepts."""

    code = "invalid_argument"


class InvalidSetting(InvalidArgument):
    """An environment variable has a malformed value."""

    def __str__(self) -> str:
        """As the base, without a word about repeating: there is no call yet."""
        return f"{self.code}: {self.message} Next: {self.next_step}"


class UnsupportedByModel(RequestError):
    """The chosen model cannot do what was asked; another can."""

    code = "unsupported_by_model"


class MissingApiKey(RequestError):
    """No OpenAI key is configured."""

    code = "missing_api_key"


class InputNotFound(RequestError):
    """An input image does not exist."""

    code = "input_not_found"


class InputRejected(RequestError):
    """An input exists but cannot be used: not an image, too large, not allowed."""

    code = "input_rejected"


class OutputRejected(RequestError):
    """The output folder or file name cannot be used."""

    code = "output_rejected"


class BudgetExceeded(RequestError):
    """The call could cost more than the configured limits leave."""

    code = "budget_exceeded"


class NotFound(RequestError):
    """No image, session or job has this id."""

    code = "not_found"


class LinkEnded(NotFound):
    """A signed link was right, and was used or is too old."""


class UpstreamError(ImageError):
    """The API refused or failed the request.

    Attributes:
        retry_after_seconds: How long the API asked to wait, where it did.
    """

    def __init__(
        self,
        message: str,
        *,
        next_step: str,
        request_id: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, next_step=next_step, request_id=request_id)
        self.retry_after_seconds = retry_after_seconds


class AuthenticationFailed(UpstreamError):
    """The key was refused, or lacks a permission."""

    code = "authentication_failed"


class OrganizationNotVerified(UpstreamError):
    """The organisation must be verified for this model."""

    code = "organization_not_verified"


class ModerationBlocked(UpstreamError):
    """The safety system refused the prompt, an input or the picture."""

    code = "moderation_blocked"


class RateLimited(UpstreamError):
    """Too many requests; the limit resets by itself."""

    code = "rate_limited"
    default_retryable = True


class QuotaExhausted(UpstreamError):
    """The account has no credit left, or hit a spending limit."""

    code = "quota_exhausted"


class UpstreamRejected(UpstreamError):
    """The API refused the request for a reason that has no code of its own."""

    code = "upstream_rejected"


class WrongAddress(UpstreamRejected):
    """What answered is not the API: a website, or a redirect to another address."""


class UpstreamUnavailable(UpstreamError):
    """The API could not be reached or answered with a server error; nothing was made."""

    code = "upstream_unavailable"
    default_retryable = True


class OutcomeUnknown(UpstreamError):
    """The request was sent, and whether a picture was made and billed cannot be told."""

    code = "outcome_unknown"

    def __str__(self) -> str:
        """As the base, but a repetition is a decision about money, not about success."""
        again = "The same call may be billed a second time."
        return f"{self.code}: {self.message} {again} Next: {self.next_step}"


class NotSent(ImageError):
    """The request could not leave this machine, so nothing can have been made or billed."""


class UnusableCredentials(NotSent, AuthenticationFailed):
    """The key cannot be sent, or the proxy refuses our name and password."""


class UnusableConnection(NotSent, InvalidArgument):
    """The address, proxy, certificates or headers that are configured cannot be used."""


class Unreachable(NotSent, UpstreamUnavailable):
    """The host of the API cannot be reached, or does not prove who it is."""


class Cancelled(ImageError):
    """The call was cancelled before its request was sent."""

    code = "cancelled"


class StorageFailed(ImageError):
    """An image or a record could not be written anywhere."""

    code = "storage_failed"


class UnstorableValue(InvalidArgument, StorageFailed):
    """The database is well, but can hold no such value: text with NUL or half a character, or too long."""


class DatabaseFailed(StorageFailed):
    """The database cannot be used."""


class DatabaseDamaged(DatabaseFailed):
    """SQLite itself says that its file is damaged, or none of its files."""


class DatabaseInterrupted(DatabaseFailed):
    """The server of the database went away in the middle of a transaction."""


class InternalError(ImageError):
    """A defect of this program."""

    code = "internal"
