"""``doctor`` says what a served library lacks, and nothing of it to a single user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.cli.app import run
from gpt_image_mcp.cli.doctor.machine import check_library
from gpt_image_mcp.cli.doctor.serving import check_serving
from gpt_image_mcp.team.tokens import tokens_file
from gpt_image_mcp.values.owners import Owner

if TYPE_CHECKING:
    from pathlib import Path

KEY = "0123456789abcdef" * 2
WHOLE = {
    "auth": "tokens",
    "auth_base_url": "https://images.example.com",
    "link_key": KEY,
    "database_url": "postgresql://images:hidden@db/images",
    "storage": "s3://images",
}


def _found(settings: Settings) -> dict[str, tuple[str, str]]:
    return {finding.name: (finding.state, finding.next_step) for finding in check_serving(settings)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with one token."""
    path = tmp_path / "tokens.toml"
    tokens_file(Settings(auth_tokens_file=path)).add("ada", groups=(), scopes=("images:read",), days=1)
    return path


def test_a_single_user_hears_nothing_of_it() -> None:
    assert not _found(Settings())


def test_a_served_library_that_has_all_is_in_order(file: Path) -> None:
    found = list(check_serving(Settings.model_validate({**WHOLE, "auth_tokens_file": file})))
    assert {finding.state for finding in found} == {"ok"}
    assert not [finding for finding in found if KEY in finding.said or "hidden" in finding.said]


@pytest.mark.parametrize(
    ("changed", "name", "step"),
    [
        ({"auth_base_url": None}, "address", "GPT_IMAGE_AUTH_BASE_URL"),
        ({"auth_base_url": "http://images.example.com"}, "address", "TLS"),
        ({"link_key": None}, "links", "GPT_IMAGE_LINK_KEY"),
        ({"database_url": ""}, "replicas", "GPT_IMAGE_DATABASE_URL"),
        ({"storage": "file"}, "replicas", "GPT_IMAGE_STORAGE"),
    ],
)
def test_what_is_missing_is_said_with_what_to_do(
    file: Path, changed: dict[str, Any], name: str, step: str
) -> None:
    found = _found(Settings.model_validate({**WHOLE, "auth_tokens_file": file, **changed}))
    assert [key for key, (state, _) in found.items() if state == "warning"] == [name]
    assert step in found[name][1]


def test_a_file_without_tokens_and_one_that_is_broken_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    settings = Settings.model_validate({**WHOLE, "auth_tokens_file": path})
    assert _found(settings)["sign-in"] == ("warning", "gpt-image-mcp token add NAME")
    path.write_text("[[[")
    assert _found(settings)["sign-in"][0] == "failed"


async def test_the_pictures_of_all_people_are_counted() -> None:
    served = Settings(sandbox=True, auth="tokens")
    for name in ("anna", "berta"):
        async with Studio(served, owner=Owner(name=name)) as studio:
            await studio.generate("a boat", size="816x816", quality="low")
    (found,) = check_library(served)
    assert "knows 2 image(s) of all people together" in found.said
    (alone,) = check_library(Settings())
    assert "knows 0 image(s)." in alone.said


@pytest.mark.parametrize("auth", ["tokens", "none"])
def test_the_spending_of_this_machine_says_where_that_of_people_is(
    auth: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GPT_IMAGE_AUTH", auth)
    assert run(["history", "spend"]) == 0
    assert ("gpt-image-mcp audit" in capsys.readouterr().err) == (auth == "tokens")
