"""A studio to export with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from gpt_image_mcp import Settings, Studio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest_asyncio.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Studio]:
    """A studio without key whose configured folder is ``out``."""
    async with Studio(Settings(sandbox=True, output_dir=str(tmp_path / "out"))) as opened:
        yield opened
