"""Settings: names, aliases, defaults, and words for malformed values."""

from __future__ import annotations

import os
import re
from decimal import Decimal
from pathlib import Path

import pytest

from gpt_image_mcp.errors import InvalidSetting
from gpt_image_mcp.settings import Settings, read_settings, variable_names


def test_defaults_are_those_of_the_contract() -> None:
    settings = read_settings()
    assert settings.model == "gpt-image-2"
    assert settings.quality == "auto"
    assert settings.inline == "preview"
    assert (settings.inline_max_bytes, settings.inline_max_edge) == (98304, 768)
    assert (settings.wait_seconds, settings.timeout_seconds, settings.max_retries) == (40, 600, 2)
    assert (settings.max_concurrency, settings.partial_images) == (8, 0)
    assert (settings.session_max, settings.session_ttl_ms) == (20, 3_600_000)
    assert settings.tools == {"core", "sessions", "export", "remote"}
    assert settings.max_cost_usd is None
    assert settings.api_key is None


@pytest.mark.parametrize(
    ("variable", "value", "field", "expected"),
    [
        ("GPT_IMAGE_OUTPUT_DIR", "/a", "output_dir", "/a"),
        ("GPT_IMAGE_2_OUTPUT_DIR", "/b", "output_dir", "/b"),
        ("DEFAULT_OUTPUT_DIR", "/c", "output_dir", "/c"),
        ("GPT_IMAGE_2_ALLOW_UNSAFE_OUTPUT_DIR", "1", "allow_unsafe_output_dir", True),
        ("MAX_FILE_SIZE_MB", "10", "max_input_mb", 10),
        ("OPENAI_MAX_RETRIES", "5", "max_retries", 5),
        ("GPT_IMAGE_2_SESSION_MAX", "3", "session_max", 3),
        ("GPT_IMAGE_2_SESSION_TTL_MS", "1000", "session_ttl_ms", 1000),
        ("GPT_IMAGE_2_MCP_DEBUG", "1", "debug", True),
        ("GPT_IMAGE_QUALITY", " HIGH ", "quality", "high"),
        ("GPT_IMAGE_INLINE", "None", "inline", "none"),
        ("GPT_IMAGE_DAILY_BUDGET_USD", "1.50", "daily_budget_usd", Decimal("1.50")),
        ("GPT_IMAGE_TOOLS", "core, sessions", "tools", {"core", "sessions"}),
        ("GPT_IMAGE_TOOLS", "all", "tools", {"core", "sessions", "export", "remote"}),
        ("GPT_IMAGE_INPUT_ROOTS", f"/a{os.pathsep}/b", "input_roots", (Path("/a"), Path("/b"))),
        ("GPT_IMAGE_ALLOWED_HOSTS", "host.docker.internal", "allowed_hosts", ("host.docker.internal",)),
        (
            "GPT_IMAGE_ALLOWED_HOSTS",
            " http://A.example:8000/mcp,*.b.example\n10.0.0.7 ; c. ",
            "allowed_hosts",
            ("a.example", "*.b.example", "10.0.0.7", "c"),
        ),
    ],
)
def test_each_variable_and_alias_sets_its_field(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, field: str, expected: object
) -> None:
    monkeypatch.setenv(variable, value)
    assert getattr(read_settings(), field) == expected


def test_a_variable_that_only_has_the_name_of_a_field_sets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = read_settings()
    for field in Settings.model_fields:
        monkeypatch.setenv(field.upper(), "1")
    for variable in ("GPT_IMAGE_API_KEY", "GPT_IMAGE_BASE_URL", "GPT_IMAGE_TIMEOUT_MS"):
        monkeypatch.setenv(variable, "1")
    assert read_settings() == expected


def test_the_old_timeout_in_milliseconds_counts_unless_the_new_one_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_TIMEOUT", "120000")
    assert read_settings().request_timeout_seconds == 120
    monkeypatch.setenv("GPT_IMAGE_TIMEOUT_SECONDS", "30")
    assert read_settings().request_timeout_seconds == 30


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GPT_IMAGE_WAIT_SECONDS", "soon"),
        ("GPT_IMAGE_2_SESSION_MAX", "0"),
        ("GPT_IMAGE_TOOLS", "core,paint"),
        ("GPT_IMAGE_INLINE", "tiny"),
        ("GPT_IMAGE_ALLOWED_HOSTS", "*"),
        ("GPT_IMAGE_ALLOWED_HOSTS", "a.example,b*.example"),
        ("GPT_IMAGE_ALLOWED_HOSTS", "file:///etc"),
        ("GPT_IMAGE_MAX_COST_USD", "nan"),
        ("GPT_IMAGE_DAILY_BUDGET_USD", "-1"),
        ("GPT_IMAGE_SANDBOX", "perhaps"),
        ("GPT_IMAGE_QUALITY", "best"),
        ("GPT_IMAGE_MAX_INPUT_MB", "99"),
        ("GPT_IMAGE_SESSION_TTL_MS", "99999999999999999"),
    ],
)
def test_a_malformed_value_is_refused_with_variable_value_and_next_step(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidSetting) as refusal:
        read_settings()
    assert variable in str(refusal.value)
    assert value.rsplit(",", maxsplit=1)[-1] in str(refusal.value)
    assert variable in refusal.value.next_step


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("GPT_IMAGE_QUALITY", "best", ("auto", "low", "medium", "high", "xhigh", "max", "standard", "hd")),
        ("GPT_IMAGE_INLINE", "tiny", ("preview", "full", "none")),
        ("GPT_IMAGE_TOOLS", "paint", ("core", "sessions", "export")),
        ("GPT_IMAGE_ALLOWED_HOSTS", "*", ("host.docker.internal", "*.example.com")),
        ("GPT_IMAGE_PROMPT_LANGUAGE", "french", ("any", "english")),
        ("GPT_IMAGE_SANDBOX", "perhaps", ("1", "0")),
        ("GPT_IMAGE_MAX_INPUT_MB", "99", ("50",)),
        ("OPENAI_BASE_URL", "gateway.example/v1", ("http://", "https://")),
        ("GPT_IMAGE_DATABASE_URL", "bogus", ("postgresql+psycopg://user:password@host/name",)),
    ],
)
def test_a_refusal_lists_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, allowed: tuple[str, ...]
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidSetting) as refusal:
        read_settings()
    words = refusal.value.message.partition("not allowed: ")[2]
    assert all(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", words) for word in allowed), words
    assert "pattern" not in words


def test_a_malformed_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "ftp://user:hunter2@gateway")
    with pytest.raises(InvalidSetting) as refusal:
        read_settings()
    assert "hunter2" not in str(refusal.value)


def test_secrets_do_not_show_in_the_settings_as_text() -> None:
    settings = Settings.model_validate(
        {"api_key": "sk-hunter2", "database_url": "postgresql://u:pw@h/d", "base_url": "https://u:pw@h/v1"}
    )
    assert "hunter2" not in repr(settings)
    assert "pw" not in repr(settings)


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "")
    monkeypatch.setenv("GPT_IMAGE_WAIT_SECONDS", "")
    assert read_settings().api_key is None
    assert read_settings().wait_seconds == 40


def test_blanks_around_a_key_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", " sk-abc\n")
    key = read_settings().api_key
    assert key is not None
    assert key.get_secret_value() == "sk-abc"


def test_the_retired_edits_variable_warns_once_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_USE_DIRECT_EDITS", "1")
    with pytest.warns(UserWarning, match="OPENAI_USE_DIRECT_EDITS is ignored"):
        assert not read_settings().force_responses_edits


def test_a_dotenv_file_is_not_read(project: Path) -> None:
    (project / ".env").write_text("GPT_IMAGE_MODEL=from-dotenv\n")
    assert read_settings().model == "gpt-image-2"


def test_arguments_by_field_name_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPT_IMAGE_MODEL", "from-environment")
    assert Settings(model="from-argument").model == "from-argument"


def test_every_field_names_its_variables_preferred_first() -> None:
    assert variable_names("output_dir")[0] == "GPT_IMAGE_OUTPUT_DIR"
    for field in Settings.model_fields:
        assert variable_names(field)
