"""Azure's v1 address: with a key or with an Entra identity, deployments as models, errors that help."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.azure_address import is_azure
from gpt_image_mcp.cli.doctor.checks import run_checks
from gpt_image_mcp.errors import ImageError, InvalidSetting
from gpt_image_mcp.settings import read_settings
from tests.faults.observed import QUICK, spent_usd
from tests.gateways.azure import BASE_URL, KEY, TOKEN, AzureTransport, ManagedIdentity, serve_azure

if TYPE_CHECKING:
    from pathlib import Path

    from gpt_image_mcp.cli.doctor.findings import Finding

DEPLOYMENT = "house-pictures"
IDENTITY: dict[str, Any] = {"base_url": BASE_URL, "azure_identity": True, "model": DEPLOYMENT}


def _studio(**settings: Any) -> Studio:
    return Studio(Settings.model_validate({"base_url": BASE_URL, "model": DEPLOYMENT, **settings}))


async def _refused(studio: Studio, prompt: str = "a fox", **options: Any) -> ImageError:
    with pytest.raises(ImageError) as caught:
        await studio.generate(prompt, **{**QUICK, **options})
    assert await spent_usd(studio) == 0
    return caught.value


async def test_a_deployment_makes_and_edits_pictures_with_the_key_of_the_resource(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with serve_azure(monkeypatch, tmp_path) as azure, _studio(api_key=KEY) as studio:
        made = await studio.generate("a fox", **QUICK)
        edited = await studio.edit("at night", [str(made.images[0].file_path)], **QUICK)
    assert azure.deployments_asked == [DEPLOYMENT, DEPLOYMENT]
    assert [request.path for request in azure.requests] == ["/v1/images/generations", "/v1/images/edits"]
    assert set(azure.signed_with) == {KEY}
    for result in (made, edited):
        with Image.open(result.images[0].file_path) as image:
            assert image.size == (816, 816)
        assert result.model == DEPLOYMENT


@pytest.mark.parametrize(
    ("prompt", "options", "code", "says", "advice"),
    [
        (
            "a fox",
            {"model": "gpt-image-2"},
            "upstream_rejected",
            "no deployment 'gpt-image-2'",
            "name of a deployment",
        ),
        ("a fight [azure:filtered]", {}, "moderation_blocked", "safety system", "Rephrase"),
    ],
)
async def test_errors_of_azure_say_what_to_do(
    prompt: str,
    options: dict[str, str],
    code: str,
    says: str,
    advice: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    async with serve_azure(monkeypatch, tmp_path), _studio(api_key=KEY) as studio:
        error = await _refused(studio, prompt, **options)
    assert error.code == code
    assert says in error.message
    assert advice in error.next_step


@pytest.mark.parametrize(
    ("settings", "code", "advice"),
    [
        ({"api_key": "of-another-resource"}, "authentication_failed", "OPENAI_API_KEY"),
        (
            {"api_key": KEY, "base_url": BASE_URL.replace("/openai", "")},
            "upstream_rejected",
            "OPENAI_BASE_URL",
        ),
    ],
)
async def test_a_wrong_key_or_path_is_named(
    settings: dict[str, str], code: str, advice: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with serve_azure(monkeypatch, tmp_path), _studio(**settings) as studio:
        error = await _refused(studio)
    assert error.code == code
    assert advice in error.next_step


async def test_an_identity_signs_in_once_and_its_token_goes_with_every_request(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    identity = ManagedIdentity()
    served = serve_azure(monkeypatch, tmp_path, identity=identity)
    async with served as azure, Studio(Settings.model_validate(IDENTITY)) as studio:
        assert (await studio.estimate()).key == "set"
        assert identity.asked == []
        await studio.generate("a fox", **QUICK)
        await studio.generate("an owl", **QUICK)
    (asked,) = identity.asked
    assert asked.endswith("&resource=https://ai.azure.com")
    assert azure.signed_with == [TOKEN.format(number=1)] * 2


async def test_a_key_that_is_set_too_is_not_sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    served = serve_azure(monkeypatch, tmp_path, identity=ManagedIdentity())
    async with served as azure, _studio(azure_identity=True, api_key="sk-of-openai-0123456789") as studio:
        await studio.generate("a fox", **QUICK)
    assert azure.signed_with == [TOKEN.format(number=1)]


async def test_a_token_that_is_over_is_fetched_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    identity = ManagedIdentity(lives_seconds=-1)
    served = serve_azure(monkeypatch, tmp_path, identity=identity)
    async with served as azure, _studio(azure_identity=True) as studio:
        await studio.generate("a fox", **QUICK)
        await studio.generate("an owl", **QUICK)
    assert azure.signed_with == [TOKEN.format(number=number) for number in (1, 2)]


async def test_without_a_credential_nothing_is_sent_and_the_ways_to_sign_in_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with serve_azure(monkeypatch, tmp_path) as azure, _studio(azure_identity=True) as studio:
        error = await _refused(studio)
    assert error.code == "authentication_failed"
    assert not error.retryable
    assert "nothing was sent" in error.message
    assert "DefaultAzureCredential failed" in error.message
    assert "az login" in error.next_step
    assert azure.signed_with == []


async def test_without_the_extra_the_call_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity.aio", None)  # as where it is not installed
    async with serve_azure(monkeypatch, tmp_path) as azure, _studio(azure_identity=True) as studio:
        error = await _refused(studio)
    assert error.code == "authentication_failed"
    assert "azure-identity is not installed" in error.message
    assert "extra azure" in error.next_step
    assert azure.signed_with == []


def test_quotes_around_the_variables_of_azure_are_taken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_TENANT_ID", ' "0f0f" ')
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "")
    read_settings()
    assert os.environ["AZURE_TENANT_ID"] == "0f0f"
    assert "AZURE_CLIENT_SECRET" not in os.environ


async def test_a_wrong_choice_of_credentials_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "no-such-credential")
    async with serve_azure(monkeypatch, tmp_path), _studio(azure_identity=True) as studio:
        error = await _refused(studio)
    assert error.code == "authentication_failed"
    assert "AZURE_TOKEN_CREDENTIALS" in error.message


async def test_an_identity_that_is_refused_by_its_endpoint_is_an_error_of_signing_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    served = serve_azure(monkeypatch, tmp_path, identity=ManagedIdentity(refuses=True))
    async with served as azure, _studio(azure_identity=True) as studio:
        error = await _refused(studio)
    assert error.code == "authentication_failed"
    assert azure.signed_with == []


async def test_an_identity_without_the_role_is_told_which_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    azure = AzureTransport(has_role=False)
    async with (
        serve_azure(monkeypatch, tmp_path, azure, ManagedIdentity()),
        _studio(azure_identity=True) as studio,
    ):
        error = await _refused(studio)
    assert error.code == "authentication_failed"
    assert "lacks the required data action" in error.message
    assert "Cognitive Services OpenAI User" in error.next_step


async def test_the_token_is_in_no_error_no_log_and_no_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    azure = AzureTransport(repeats=True)
    async with (
        serve_azure(monkeypatch, tmp_path, azure, ManagedIdentity()),
        _studio(azure_identity=True) as studio,
    ):
        error = await _refused(studio)
    token = TOKEN.format(number=1)
    assert azure.signed_with == [token]
    assert "cannot read Authorization: ***" in error.message
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for piece in token.split("."):
        assert piece not in str(error) + caplog.text
        assert piece.encode() not in kept


@pytest.mark.parametrize(
    "address",
    [
        "",
        "https://api.openai.com/v1",
        "http://house.openai.azure.com/openai/v1/",
        "https://openai.azure.com.evil.example/v1",
    ],
)
def test_an_identity_without_an_address_of_azure_stops_the_start(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    monkeypatch.setenv("GPT_IMAGE_AZURE_IDENTITY", "1")
    with pytest.raises(InvalidSetting, match="GPT_IMAGE_AZURE_IDENTITY") as caught:
        read_settings()
    assert "OPENAI_BASE_URL to be like https://RESOURCE.openai.azure.com/openai/v1/" in str(caught.value)
    with pytest.raises(ValidationError):
        Settings.model_validate({"base_url": address or None, "azure_identity": True})


def test_a_malformed_address_is_refused_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "house.openai.azure.com")
    monkeypatch.setenv("GPT_IMAGE_AZURE_IDENTITY", "1")
    with pytest.raises(InvalidSetting) as caught:
        read_settings()
    assert "GPT_IMAGE_AZURE_IDENTITY" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        BASE_URL,
        "https://HOUSE.OpenAI.Azure.com:443/openai/v1",
        "https://house.services.ai.azure.com/openai/v1/",
        "https://house.cognitiveservices.azure.com/openai/v1/",
    ],
)
def test_the_addresses_of_resources_are_of_azure(address: str) -> None:
    assert is_azure(address)


@given(host=st.text(), path=st.text())
def test_no_other_address_is_taken_for_one_of_azure(host: str, path: str) -> None:
    assert not is_azure(f"http://{host}/{path}")
    assert not is_azure(f"https://{host}.example/{path}")
    assert not is_azure(host)


async def _doctor() -> dict[str, Finding]:
    return {finding.name: finding for finding in await run_checks()}


async def test_doctor_checks_an_identity_like_a_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {
        "OPENAI_BASE_URL": BASE_URL,
        "GPT_IMAGE_AZURE_IDENTITY": "1",
        "OPENAI_API_KEY": KEY,
    }.items():
        monkeypatch.setenv(name, value)
    async with serve_azure(monkeypatch, tmp_path, identity=ManagedIdentity()) as azure:
        found = await _doctor()
    assert found["key"].state == found["key accepted"].state == "ok"
    assert "OPENAI_API_KEY is not used" in found["key"].said
    assert {request.method for request in azure.requests} == {"GET"}
    assert "eyJ" not in str(found)


async def test_doctor_says_how_to_sign_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {"OPENAI_BASE_URL": BASE_URL, "GPT_IMAGE_AZURE_IDENTITY": "1"}.items():
        monkeypatch.setenv(name, value)
    async with serve_azure(monkeypatch, tmp_path):
        found = await _doctor()
    assert found["key accepted"].state == "failed"
    assert "az login" in found["key accepted"].next_step
