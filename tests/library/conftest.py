"""A library in an empty home, and images to put into it."""

from __future__ import annotations

import io
import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from gpt_image_mcp.library.database import Database
from gpt_image_mcp.library.images import Images
from gpt_image_mcp.library.ledger import Ledger
from gpt_image_mcp.library.search.query import ImageSearch
from gpt_image_mcp.library.store import Library
from gpt_image_mcp.money import Cost, Quote
from gpt_image_mcp.settings import Settings
from gpt_image_mcp.values.history import CallStart
from gpt_image_mcp.values.images import Applied, Provenance, Requested, StoredImage
from gpt_image_mcp.values.responses import TokenUsage
from tests.object_stores import Bucket, bucket_on, s3_server
from tests.postgresql import find_postgresql, make_database, postgresql
from tests.programs import required

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# For tests that hold in each database that the library can be in.
EVERY_DATABASE = pytest.mark.parametrize(
    "database_url", ["sqlite", "sqlite without FTS5", "postgresql"], indirect=True
)
POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
_NUMBERS = itertools.count(1)
NOON = datetime(2026, 11, 21, 12).astimezone()


@pytest.fixture
def library() -> Iterator[Library]:
    """A library with a new database."""
    opened = Library(Settings())
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The address of a PostgreSQL server."""
    with postgresql(required(find_postgresql(), "PostgreSQL")) as address:
        yield address


@pytest.fixture(scope="session")
def store_server() -> Iterator[str]:
    """The address of an S3 server."""
    with s3_server() as address:
        yield address


@pytest.fixture
def bucket(store_server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bucket]:
    """A new bucket, which the environment leads to, and a cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "cache"))
    with bucket_on(store_server) as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a new database; SQLite gives up on locks at once."""
    kind: str = getattr(request, "param", "sqlite")
    if kind == "postgresql":
        return make_database(request.getfixturevalue("postgresql_server"), f"library_{next(_NUMBERS)}")
    url = f"sqlite:///{tmp_path / 'data' / 'library.db'}?timeout=0.05"
    if kind == "sqlite without FTS5":
        _take_fts5_out(url)
    return url


def _take_fts5_out(url: str) -> None:
    """Makes the database as a SQLite that was built without FTS5 makes it."""
    made = Database(url)
    with made.writing() as connection:
        connection.exec_driver_sql("DROP TABLE search_words")
        connection.exec_driver_sql(
            "CREATE TABLE search_words (rowid INTEGER PRIMARY KEY, words TEXT NOT NULL)"
        )
    made.close()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A new database."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def images(database: Database) -> Images:
    """The images of a new database."""
    return Images(database)


@pytest.fixture
def ledger(database: Database) -> Ledger:
    """A ledger over a new database."""
    return Ledger(database)


@pytest.fixture
def png() -> bytes:
    """A small PNG file."""
    stream = io.BytesIO()
    Image.new("RGB", (6, 4), (200, 30, 90)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def provenance() -> Provenance:
    """How an image came to be, with every field filled in."""
    return Provenance(
        kind="image",
        prompt='ein Boot "im" Nebel 🚣',
        model="gpt-image-2",
        requested=Requested(size="16:9"),
        applied=Applied(size="6x4", quality="low", background="opaque", output_format="png"),
        cost=Cost(usd=Decimal("0.123456789123"), basis="usage"),
        usage=TokenUsage(input_tokens=3, output_tokens=4, total_tokens=7, input_text_tokens=3),
        parents=("20261120-150301-ffffff",),
        call_id="job-20261121-150301-a1b2c3",
        request_id="req_1",
        session_id="session-20261120-150301-ffffff",
        turn=2,
        project_dir="/work/project",
    )


@pytest.fixture
def image(provenance: Provenance, tmp_path: Path) -> StoredImage:
    """An image as it is kept; its file need not exist."""
    return StoredImage(
        id="20261121-150301-a1b2c3",
        file_path=tmp_path / "out" / "boat.png",
        size_bytes=123,
        sha256="ab" * 32,
        mime_type="image/png",
        width=6,
        height=4,
        created_at=datetime(2026, 11, 21, 15, 3, 1, tzinfo=UTC),
        provenance=provenance,
    )


@pytest.fixture
def call() -> CallStart:
    """A call for ten cents, about to be made."""
    return CallStart(
        id="job-20261121-150301-a1b2c3",
        kind="image",
        model="gpt-image-2",
        quality="high",
        size="1024x1024",
        prompt="a boat",
        started_at=datetime(2026, 11, 21, 12, tzinfo=UTC),
        quote=Quote(high_usd=Decimal("0.10"), basis="a test"),
    )


@pytest.fixture
def search(database: Database) -> ImageSearch:
    return ImageSearch(database)


@pytest.fixture
def add(images: Images, image: StoredImage) -> Callable[..., StoredImage]:
    """Adds an image; each is a minute newer than the one before unless it says when."""
    count = itertools.count(1)

    def make(prompt: str = "a boat", *, created_at: datetime | None = None, **made: object) -> StoredImage:
        number = next(count)
        cost = Cost(usd=Decimal(str(made.pop("usd", "0.10"))), basis="usage")
        fields = {"parents": (), "session_id": "", "call_id": f"job-{number}", **made}
        provenance = replace(image.provenance, prompt=prompt, cost=cost, **fields)  # type: ignore[arg-type]
        new = replace(
            image,
            id=f"20261121-120000-{number:06x}",
            file_path=image.file_path.with_name(f"file{number}.png"),
            created_at=created_at or NOON + timedelta(minutes=number),
            provenance=provenance,
        )
        images.add_image(new)
        return new

    return make
