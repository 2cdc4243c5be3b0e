"""Checks of the settings, and of the form of the key."""

from __future__ import annotations

import os
import re
from decimal import Decimal
from difflib import get_close_matches
from typing import TYPE_CHECKING, cast

from pydantic import SecretStr

from gpt_image_mcp.catalogue.validation import require_key
from gpt_image_mcp.cli.doctor.findings import failed, ok, refused, skipped, warning
from gpt_image_mcp.environment import variables_set
from gpt_image_mcp.errors import MissingApiKey
from gpt_image_mcp.openai_api.unsent import KEYS_LINK
from gpt_image_mcp.redaction import without_password
from gpt_image_mcp.settings import Settings, unknown_variables, variable_names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gpt_image_mcp.cli.doctor.findings import Finding

_KEY = "key"
_SHORTEST_KEY, _SHOWN_OF_KEY = 20, 4
# Whole words only, and eight times x, which does not occur in a real key by chance.
_PLACEHOLDER = re.compile(r"(?<![a-z0-9])(?:your|example)(?![a-z0-9])|x{8}|\.\.\.|…|[<>${}]", re.IGNORECASE)
_PREFIX = re.compile(r"^(GPT_IMAGE_(2_)?|OPENAI_)")
# Settings of older servers: never suggested for a misspelt name.
_OLD_SETTINGS = {"timeout_ms", "use_direct_edits"}
_INERT_STEP = "Remove it."
# Variables of the predecessors' documentation that do nothing here, with what to do instead. Names that many
# other programs use (LOG_LEVEL, BATCH_SIZE) are left out.
_INERT = {
    "ENABLE_FILE_OUTPUT": "Remove it: images are always saved.",
    "AUTO_SAVE_IMAGES": "Remove it: images are always saved.",
    "KEEP_FILES_DAYS": "Run gpt-image-mcp history prune --older-than 30d instead.",
    "DEFAULT_OUTPUT_DIRECTORY": "Set GPT_IMAGE_OUTPUT_DIR instead.",
    "DEFAULT_IMAGE_QUALITY": "Set GPT_IMAGE_QUALITY instead.",
    "DEFAULT_IMAGE_SIZE": "Pass size with a call instead.",
    "DEFAULT_OUTPUT_FORMAT": "Pass output_format with a call instead.",
    "DEFAULT_STYLE": "Say it in the prompt instead.",
    "DEFAULT_EDIT_STRENGTH": "Say in the prompt how much may change instead.",
    "DEFAULT_NAMING_STRATEGY": "Pass filename or filename_prefix with a call instead.",
    "DEFAULT_ORGANIZE_BY": "Pass output_dir with a call instead.",
    "AUTO_TRANSLATE_JAPANESE": "Remove it: prompts may be in any language.",
    "ENABLE_BACKGROUND_REMOVAL": 'Pass background "transparent" with a call instead.',
    "ENABLE_BATCH_PROCESSING": "Remove it: batch_edit_images is always there.",
    "ENABLE_RESULT_CACHING": _INERT_STEP,
    "CACHE_DURATION_HOURS": _INERT_STEP,
    "BATCH_DELAY_MS": "Pass concurrency with a call instead.",
    "LOG_FILE_PATH": "Redirect stderr instead; GPT_IMAGE_DEBUG=1 logs more.",
    "ENABLE_REQUEST_LOGGING": "Set GPT_IMAGE_DEBUG=1 instead.",
}


def check_settings(settings: Settings) -> Iterator[Finding]:
    """Lists the settings that differ from their defaults, and variables that have no effect."""
    changed = [
        field for field, info in Settings.model_fields.items() if getattr(settings, field) != info.default
    ]
    for field in changed:
        yield _setting(field, settings)
    if not changed:
        yield ok("settings", "All are at their defaults.")
    if settings.timeout_ms is not None and "timeout_seconds" in settings.model_fields_set:
        yield _ignored("OPENAI_API_TIMEOUT", "GPT_IMAGE_TIMEOUT_SECONDS")
    for name in variables_set(_INERT):
        yield warning(name, "It was a setting of an older server and has no effect here.", _INERT[name])
    for name in variables_set(unknown_variables()):
        yield _unknown(name)


def _unknown(name: str) -> Finding:
    """Warns of a variable that is no setting. Its value may be a secret and is not shown."""
    near = _nearest_setting(name)
    step = f"Write {near} if that is meant, or remove it." if near else "Remove it, or correct its name."
    return warning(name, "There is no such setting, so it is ignored.", step)


def _nearest_setting(name: str) -> str:
    """The setting with the most similar name, compared without prefixes; empty if none is similar."""
    fields = [field for field in Settings.model_fields if field not in _OLD_SETTINGS]
    names = {
        _PREFIX.sub("", other): variable_names(field)[0]
        for field in fields
        for other in variable_names(field)
    }
    near = get_close_matches(_PREFIX.sub("", name.upper()), names, n=1)
    return names[near[0]] if near else ""


def _setting(field: str, settings: Settings) -> Finding:
    used, *others = variables_set(variable_names(field)) or variable_names(field)[:1]
    if field == "use_direct_edits":
        return warning(used, "It has no effect: edits always try /v1/images/edits first.", _INERT_STEP)
    if others:
        return _ignored(", ".join(others), used)
    preferred = variable_names(field)[0]
    name = "" if used == preferred else f" ({used} is another name of {preferred})"
    return ok(used, f"{_shown(getattr(settings, field))}{name}")


def _ignored(names: str, used: str) -> Finding:
    return warning(names, f"It is ignored, because {used} is set and means the same.", "Remove one of them.")


def check_key(settings: Settings) -> Finding:
    """Whether a key is set and has the form of one. Only its last characters are shown."""
    if settings.sandbox:
        return skipped(_KEY, "The sandbox needs none.")
    try:
        require_key(settings)
    except MissingApiKey as error:
        return refused(_KEY, error)
    if settings.azure_identity:
        unused = " OPENAI_API_KEY is not used." if settings.api_key else ""
        return ok(_KEY, f"Requests carry the token of an Entra identity instead of one.{unused}")
    return _check_form(settings.api_key.get_secret_value() if settings.api_key else "", settings)


def _check_form(key: str, settings: Settings) -> Finding:
    """Whether a key looks like one."""
    again = f"Copy the key again from {KEYS_LINK}."
    if not key.isascii() or not key.isprintable() or re.search(r"[\s\"']", key):
        return failed(_KEY, "OPENAI_API_KEY holds characters that no key has.", again)
    if _PLACEHOLDER.search(key):
        said = "OPENAI_API_KEY looks like a placeholder, or like a variable that was not filled in."
        return failed(_KEY, said, f"Copy the key itself from {KEYS_LINK}.")
    if settings.base_url is None and (not key.startswith("sk-") or len(key) < _SHORTEST_KEY):
        said = "OPENAI_API_KEY does not look like a key of OpenAI, which begins with sk- and is longer."
        return warning(_KEY, said, again)
    return ok(_KEY, f"OPENAI_API_KEY is set ({_masked(key)}).")


def _masked(key: str) -> str:
    """The last characters of a key: enough to tell two keys apart, too little to use one."""
    start = "sk-" if key.startswith("sk-") else ""
    return f"{start}...{key[-_SHOWN_OF_KEY:]}" if len(key) >= _SHORTEST_KEY else "..."


def _shown(value: object) -> str:
    """A value as it would be written in its variable; of a secret, only that it is set."""
    if isinstance(value, SecretStr):
        return "set (not shown)"
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, frozenset):
        return ",".join(sorted(cast("frozenset[str]", value)))
    if isinstance(value, tuple):
        return os.pathsep.join(str(path) for path in cast("tuple[Path, ...]", value)) or "(no folder)"
    if isinstance(value, str) and "://" in value:
        return without_password(value)
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
