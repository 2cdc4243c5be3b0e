"""A pause that the API asked one process for holds for all that share a library."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from gpt_image_mcp.errors import RateLimited
from gpt_image_mcp.library.database import Database
from gpt_image_mcp.library.rate_pauses import RatePauses
from gpt_image_mcp.library.schema import rate_pauses
from gpt_image_mcp.settings import Settings
from gpt_image_mcp.studio import Studio
from gpt_image_mcp.values.owners import Owner
from tests.faults.observed import QUICK, spent_usd
from tests.faults.scripted import refusal, serve_script
from tests.library.conftest import EVERY_DATABASE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.scripted import Endpoint

API = "https://api.openai.com/v1"
LIMITED = refusal(429, "Slow down.", code="rate_limit_exceeded", retry_after="120")


@EVERY_DATABASE
def test_the_longest_pause_of_an_address_holds(database: Database) -> None:
    pauses = RatePauses(database)
    assert pauses.seconds_left(API) <= 0
    pauses.pause(API, 100)
    pauses.pause(API, 10)
    assert 90 < pauses.seconds_left(API) <= 100
    pauses.pause(API, 200)
    assert 190 < pauses.seconds_left(API) <= 200
    assert pauses.seconds_left("https://elsewhere.example/v1") <= 0


@EVERY_DATABASE
def test_a_pause_of_before_the_clock_began_anew_holds_nobody_up(database: Database) -> None:
    pauses = RatePauses(database)
    pauses.pause(API, 100)
    with database.writing() as connection:
        connection.execute(update(rate_pauses).values(paused_until=rate_pauses.c.paused_until + 1_000_000))
    assert pauses.seconds_left(API) <= 0
    pauses.pause(API, 10)
    assert 0 < pauses.seconds_left(API) <= 10


def _settings(endpoint: Endpoint, database_url: str, **more: object) -> Settings:
    return Settings.model_validate(
        {"api_key": "sk-test", "base_url": endpoint.base_url, "database_url": database_url, **more}
    )


def _studio(settings: Settings) -> Studio:
    return Studio(settings, owner=Owner(name="ann"))


@EVERY_DATABASE
async def test_a_replica_heeds_the_pause_that_another_was_asked_for(database_url: str) -> None:
    async with serve_script(LIMITED) as endpoint:
        settings = _settings(endpoint, database_url.partition("?")[0], auth="tokens")
        async with _studio(settings) as first:
            with pytest.raises(RateLimited):
                await first.generate("a boat", **QUICK)
        async with _studio(settings) as second:
            with pytest.raises(RateLimited, match="was not sent"):
                await second.generate("a fox", **QUICK)
            assert await spent_usd(second) == 0
        assert len(endpoint.posts) == 1


async def test_where_nobody_signs_in_a_pause_stays_with_its_process(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'library.db'}"
    async with serve_script(LIMITED, LIMITED) as endpoint:
        settings = _settings(endpoint, url)
        for _ in range(2):
            async with _studio(settings) as studio:
                with pytest.raises(RateLimited):
                    await studio.generate("a boat", **QUICK)
        assert len(endpoint.posts) == 2
    assert RatePauses(Database(url)).seconds_left(endpoint.base_url) <= 0


async def test_a_call_is_made_though_nobody_can_tell_what_others_were_asked_for(tmp_path: Path) -> None:
    """The table is gone, as a database is of which a part cannot be read."""
    url = f"sqlite:///{tmp_path / 'library.db'}"
    database = Database(url)
    with database.writing() as connection:
        connection.exec_driver_sql("DROP TABLE rate_pauses")
    database.close()
    async with serve_script(
        refusal(429, "Slow down.", code="rate_limit_exceeded", retry_after="1")
    ) as endpoint:
        async with _studio(_settings(endpoint, url, auth="tokens")) as studio:
            assert (await studio.generate("a boat", **QUICK)).images
        assert len(endpoint.posts) == 2
