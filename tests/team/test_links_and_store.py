"""Links where images are objects: any replica gives and takes, and a store that is away is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2

from tests.object_stores import bucket_on, s3_server
from tests.team.pictures import PICTURE
from tests.team.serving import call, serve_people

if TYPE_CHECKING:
    from pathlib import Path


async def test_what_one_replica_made_or_took_another_gives_and_uses(tmp_path: Path) -> None:
    with s3_server() as address, bucket_on(address) as bucket:
        shared = {**bucket.environment, "GPT_IMAGE_STORAGE": bucket.address}
        caches = [{**shared, "XDG_CACHE_HOME": str(tmp_path / name)} for name in ("one", "two")]
        with serve_people(tmp_path, **caches[0]) as one, serve_people(tmp_path, **caches[1]) as two:
            async with httpx2.AsyncClient(timeout=60) as web:
                link = await call(one, "create_upload_link")
                path = link["upload_url"].removeprefix(one.root)
                assert (await web.put(two.root + path, content=PICTURE)).status_code == 201
                low: dict[str, Any] = {"prompt": "a sail", "images": [link["ref"]], "quality": "low"}
                image = (await call(one, "edit_image", **low))["images"][0]
                exported = (await call(one, "export_image", ref=image["id"], width=64))["files"][0]
                for made in (image, exported):
                    assert made["file_path"].startswith(f"{bucket.address}/people/anna-")
                    kept = bucket.read(made["file_path"].removeprefix(f"s3://{bucket.name}/"))
                    given = await web.get(two.root + made["download_url"].removeprefix(one.root))
                    assert given.content == kept
                other = await call(one, "create_upload_link")
                path = other["upload_url"].removeprefix(one.root)
                bucket.fail(503)
                away = await web.put(two.root + path, content=PICTURE)
                assert away.status_code == 503
                assert bucket.name not in away.text
                bucket.fault = None
            uploads = [key for key in bucket.contents() if "/uploads/" in key]
            assert len(uploads) == 1
            assert bucket.read(uploads[0]) == PICTURE
