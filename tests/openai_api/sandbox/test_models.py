"""``/v1/models`` of the sandbox: what is listed can be asked for, and nothing else."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import httpx2
import pytest

from gpt_image_mcp.openai_api.sandbox.transport import SandboxTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


# Of gpt-image-1.5 and its kind.
LAST_DAY = dt.date(2026, 11, 30)


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the sandbox that has a key."""
    headers = {"authorization": "Bearer sk-test"}
    transport = SandboxTransport(today=lambda: LAST_DAY)
    async with httpx2.AsyncClient(
        transport=transport, base_url="https://sandbox.invalid", headers=headers
    ) as it:
        yield it


async def test_every_model_that_is_listed_can_be_asked_for(http: httpx2.AsyncClient) -> None:
    document = (await http.get("/v1/models")).json()
    assert document["object"] == "list"
    names = [model["id"] for model in document["data"]]
    assert {"gpt-image-2", "gpt-image-1.5"} <= set(names)
    for model in document["data"]:
        assert (await http.get(f"/v1/models/{model['id']}")).json() == model
        assert model["object"] == "model"


@pytest.mark.parametrize("name", ["gpt-image-1", "gpt-image-99", "GPT-IMAGE-2"])
async def test_a_model_that_is_gone_or_never_was_is_not_found(http: httpx2.AsyncClient, name: str) -> None:
    listed = (await http.get("/v1/models")).json()["data"]
    answer = await http.get(f"/v1/models/{name}")
    assert name not in [model["id"] for model in listed]
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "model_not_found"


async def test_a_model_is_there_until_the_day_of_its_end() -> None:
    headers = {"authorization": "Bearer sk-test"}
    statuses: list[int] = []
    for day in (LAST_DAY, LAST_DAY + dt.timedelta(days=1)):
        async with httpx2.AsyncClient(
            transport=SandboxTransport(today=lambda day=day: day),  # type: ignore[misc]
            base_url="https://sandbox.invalid",
            headers=headers,
        ) as http:
            names = [model["id"] for model in (await http.get("/v1/models")).json()["data"]]
            answer = await http.get("/v1/models/gpt-image-1.5")
            assert ("gpt-image-1.5" in names) is answer.is_success
            statuses.append(answer.status_code)
    assert statuses == [200, 404]


async def test_models_are_not_told_without_a_key(http: httpx2.AsyncClient) -> None:
    answer = await http.get("/v1/models", headers={"authorization": ""})
    assert answer.status_code == 401
