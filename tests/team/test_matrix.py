"""Everything that a server offers, as four people: nobody sees, uses or changes what is another's.

Whatever is new must be added to the tables here, or the first test fails.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import httpx2
import pytest
import pytest_asyncio
from fastmcp import Client
from mcp.shared.exceptions import MCPError
from mcp.types import PromptReference, ResourceTemplateReference, Result
from starlette.routing import Route

from gpt_image_mcp.mcp_app.tasks import Tasks
from gpt_image_mcp.server import mcp
from gpt_image_mcp.team.tokens import TokensFile
from tests.mcp_app.http_servers import Served, serve
from tests.mcp_app.test_tasks import Ask, Params, Speaker, Task

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from fastmcp.client.client import CallToolResult

WORD = "quagga"  # a word of Anna's prompts; nobody else's
REFUSED = {"not_found", "input_not_found", "input_rejected", "output_rejected"}


@dataclass(frozen=True)
class Things:
    """What Anna has: an image with its file, a session, a job, and a picture that she sent."""

    image: str
    file: str
    session: str
    job: str
    upload: str

    @property
    def refs(self) -> tuple[str, ...]:
        """Every way to name one of them where an image is meant."""
        uri = f"gpt-image://images/{self.image}"
        return (self.image, self.file, uri, f"{uri}/preview", self.session, self.job, self.upload)

    @property
    def folder(self) -> str:
        """Where her images are."""
        return self.file.rpartition("/")[0]


# Of every tool, calls that name a thing of Anna's in each place where one can be named.
Calls = list[dict[str, Any]]
NAMING: dict[str, Callable[[Things], Calls]] = {
    "generate_image": lambda its: [
        {"prompt": "a boat", "output_dir": its.folder},
        {"prompt": "a boat", "filename": its.file, "overwrite": True},
    ],
    "edit_image": lambda its: [
        *({"prompt": "bluer", "images": [ref]} for ref in its.refs),
        {"prompt": "bluer", "images": [PNG], "mask": its.image},
        {"prompt": "bluer", "images": [PNG], "markup": its.image},
        {"prompt": "bluer", "images": [PNG], "output_dir": its.folder},
    ],
    "batch_edit_images": lambda its: [
        *({"prompt": "bluer", "images": [ref]} for ref in (*its.refs, its.folder, f"{its.folder}/*")),
        {"prompt": "bluer", "images": [PNG], "references": [its.image]},
    ],
    "start_edit_session": lambda its: [
        *({"prompt": "bluer", "images": [ref]} for ref in its.refs),
        {"prompt": "bluer", "images": [PNG], "mask": its.image},
    ],
    "continue_edit_session": lambda its: [{"session_id": its.session, "prompt": "bluer"}],
    "end_edit_session": lambda its: [{"session_id": its.session}],
    "get_image": lambda its: [
        *({"ref": ref} for ref in its.refs),
        {"ref": [its.image]},
    ],
    "export_image": lambda its: [{"ref": ref} for ref in (its.image, its.file)],
    "delete_image": lambda its: [
        {"ref": ref, "confirm": confirm} for ref in (its.image, its.file) for confirm in (False, True)
    ],
}
# Calls that give lists and sums, in which nothing of Anna's may be.
LISTING: dict[str, Callable[[Things], Calls]] = {
    "find_images": lambda its: [{}, {"query": WORD}, {"session_id": its.session}, {"limit": 0}],
    "list_edit_sessions": lambda _: [{}],
    "estimate_cost": lambda _: [{}],
    "create_upload_link": lambda _: [{}],
}
RESOURCES = {"gpt-image://history", "gpt-image://latest", "gpt-image://models", "gpt-image://guide/prompting"}
OF_AN_IMAGE = {
    "gpt-image://images/{image_id}",
    "gpt-image://images/{image_id}/preview",
    "gpt-image://images/{image_id}/metadata",
}
METHODS = {"tasks/get", "tasks/update", "tasks/cancel"}
# Each route with what it answers to nobody, to people, to one who may only read, and to an admin.
ROUTES = {
    "POST /mcp": (401, 415, 415, 415),
    "GET /health": (200, 200, 200, 200),
    "GET /ready": (200, 200, 200, 200),
    "GET /metrics": (401, 403, 403, 200),
    # What the address itself proves: whoever asks, a wrong one leads nowhere.
    "GET /images/{token:path}": (404, 404, 404, 404),
    "GET /exports/{token:path}": (404, 404, 404, 404),
    "PUT /uploads/{token:path}": (404, 404, 404, 404),
}
PNG = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAEAAAABAAQAAAACCEkxzAAAAEElEQVR4nGNgGAWjYBQMGwAAA0AAAcJ"
    "vyfoAAAAASUVORK5CYII="
)


async def test_the_tables_here_have_all_that_the_server_offers() -> None:
    assert {tool.name for tool in await mcp.local_provider.list_tools()} == {*NAMING, *LISTING}
    async with Client(mcp) as client:
        assert {str(found.uri) for found in await client.list_resources()} == RESOURCES
        assert {found.uri_template for found in await client.list_resource_templates()} == OF_AN_IMAGE
    paths = {route.path for route in mcp.http_app().routes if isinstance(route, Route)}
    assert paths == {name.partition(" ")[2] for name in ROUTES}
    assert {binding.method for binding in Tasks().methods()} == METHODS


@pytest.fixture(scope="module", params=["0", "1"], ids=["not shared", "shared"])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Served, bool]]:
    """A server, and whether groups share there."""
    folder = tmp_path_factory.mktemp("served")
    settings = {
        "GPT_IMAGE_AUTH": "tokens",
        "GPT_IMAGE_AUTH_TOKENS_FILE": str(folder / "tokens.toml"),
        "GPT_IMAGE_SHARE_GROUPS": str(request.param),
        "GPT_IMAGE_LINK_KEY": "a key for tests that nobody else has",
    }
    with serve(folder, **settings) as running:
        yield running, request.param == "1"


@dataclass(frozen=True)
class People:
    """Four people at one server.

    Attributes:
        anna: Of the group design, who has all the things.
        ben: Of the same group.
        cleo: Of another.
        admin: Who may do everything, but owns nothing of it.
        speakers: Cleo and the admin again, with clients that speak tasks.
        things: Anna's.
        is_shared: Whether groups share.
    """

    anna: Client[Any]
    ben: Client[Any]
    cleo: Client[Any]
    admin: Client[Any]
    speakers: list[Client[Any]]
    things: Things
    is_shared: bool

    @property
    def strangers(self) -> list[Client[Any]]:
        """Those for whom Anna's things are not there."""
        return [self.cleo, self.admin, *([] if self.is_shared else [self.ben])]


@pytest_asyncio.fixture
async def people(served: tuple[Served, bool]) -> AsyncIterator[People]:
    running, is_shared = served
    file = TokensFile(running.folder / "tokens.toml")
    everything = ("images:read", "images:spend", "admin")
    tokens = [
        file.add("anna", groups=("design",))[0],
        file.add("ben", groups=("design", "other"))[0],
        file.add("cleo", groups=("ops",))[0],
        file.add("admin", groups=("staff",), scopes=everything)[0],
    ]
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(running.url, auth=token)) for token in tokens]
        things = await _things(clients[0])
        speakers = [
            await stack.enter_async_context(Client(running.url, auth=token, extensions=[Speaker()]))
            for token in tokens[2:]
        ]
        anna, ben, cleo, admin = clients
        yield People(anna, ben, cleo, admin, speakers, things, is_shared)


async def _things(anna: Client[Any]) -> Things:
    """Makes one of each of what a person can have."""
    order = {"prompt": f"a {WORD}", "quality": "low", "size": "1024x1024"}
    made = await _answer(anna, "generate_image", order)
    image = made["images"][0]
    begun = await _answer(
        anna, "start_edit_session", {**order, "images": [image["id"]], "prompt": f"a {WORD}, blue"}
    )
    job = await _answer(anna, "generate_image", {**order, "prompt": f"a slow {WORD}", "wait_seconds": 0})
    await _answer(anna, "get_image", {"ref": job["job_id"]})
    link = await _answer(anna, "create_upload_link", {})
    assert httpx2.put(link["upload_url"], content=base64.b64decode(PNG.partition(",")[2])).status_code == 201
    return Things(image["id"], image["file_path"], begun["session_id"], job["job_id"], link["ref"])


async def _call(client: Client[Any], tool: str, arguments: dict[str, Any]) -> CallToolResult:
    return await client.call_tool(tool, arguments, raise_on_error=False)


async def _answer(client: Client[Any], tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    result = await _call(client, tool, arguments)
    assert not result.is_error, result.content
    return result.structured_content or {}


def _everything(result: CallToolResult) -> str:
    """All that a result says, as text."""
    said = [block.model_dump_json() for block in result.content if block.type != "image"]
    return json.dumps([*said, result.structured_content, result.meta])


def _codes(result: CallToolResult) -> set[str]:
    """With which codes a call failed, or each item of it."""
    if result.meta and "gpt-image-mcp/error" in result.meta:
        return {result.meta["gpt-image-mcp/error"]["code"]}
    items = (result.structured_content or {}).get("items", [])
    return {re.match(r"\w+", item["error"])[0] for item in items if item.get("error")}  # type: ignore[index]


def _unknown(things: Things) -> Things:
    """The same names, of things that never were."""

    def other(name: str) -> str:
        return name[:-6] + "0" * 6

    return replace(
        things,
        image=other(things.image),
        session=other(things.session),
        job=other(things.job),
        upload=other(things.upload),
        file=things.file[: -len("123456.png")] + "000000.png",
    )


def _plain(result: CallToolResult) -> str:
    """What a refusal says, without the names of things."""
    return re.sub(r"\d{8}-\d{6}-[0-9a-f]{6}", "NAME", _everything(result))


async def test_no_tool_finds_uses_or_changes_what_is_anothers(people: People) -> None:
    unknown = _unknown(people.things)
    for tool, person in itertools.product(NAMING, people.strangers):
        for arguments, others in zip(NAMING[tool](people.things), NAMING[tool](unknown), strict=True):
            refused, missing = await _call(person, tool, arguments), await _call(person, tool, others)
            assert refused.is_error, (tool, arguments, refused.content)
            assert _codes(refused) <= REFUSED, (tool, arguments, refused.content)
            assert WORD not in _everything(refused)
            assert _plain(refused) == _plain(missing)
    await _require_untouched(people)


async def _require_untouched(people: People) -> None:
    """Anna has all that she had."""
    for ref in (people.things.image, people.things.session, people.things.job, people.things.upload):
        await _answer(people.anna, "get_image", {"ref": ref})
    found = await _answer(people.anna, "list_edit_sessions", {})
    assert people.things.session in json.dumps(found)


async def test_no_list_or_sum_has_what_is_anothers(people: People) -> None:
    its = people.things
    names = (WORD, its.image, its.session, its.job, its.upload)
    asked = [(tool, arguments) for tool, calls in LISTING.items() for arguments in calls(its)]
    for (tool, arguments), person in itertools.product(asked, people.strangers):
        result = await _call(person, tool, arguments)
        said = _everything(result).replace(json.dumps(arguments)[1:-1], "")
        assert not any(name in said for name in names if name not in arguments.values()), (tool, said)
        if tool == "find_images" and not result.is_error:
            assert (result.structured_content or {})["total"] == 0
    assert (await _answer(people.anna, "find_images", {}))["total"] >= 3


async def test_no_resource_has_what_is_anothers(people: People) -> None:
    for person in people.strangers:
        for uri in RESOURCES:
            text = "".join(part.model_dump_json() for part in await person.read_resource(uri))
            assert WORD not in text
            assert people.things.image not in text
        for template in OF_AN_IMAGE:
            with pytest.raises(MCPError, match="not_found"):
                await person.read_resource(template.replace("{image_id}", people.things.image))


async def test_no_prompt_and_no_completion_has_what_is_anothers(people: People) -> None:
    begun = people.things.image[:10]
    for person in people.strangers:
        for template in OF_AN_IMAGE:
            reference = ResourceTemplateReference(type="ref/resource", uri=template)
            for typed in ("", begun, WORD):
                offered = await person.complete(reference, {"name": "image_id", "value": typed})
                assert people.things.image not in str(offered.values)
        for prompt in await person.list_prompts():
            wanted = {argument.name: people.things.image for argument in prompt.arguments or []}
            for name in wanted:
                asked = PromptReference(type="ref/prompt", name=prompt.name)
                offered = await person.complete(asked, {"name": name, "value": begun})
                assert people.things.image not in str(offered.values)
            try:
                given = await person.get_prompt(prompt.name, wanted)
            except MCPError:  # an id is no value of every argument
                continue
            assert WORD not in given.model_dump_json()


async def test_no_task_of_another_is_there(people: People) -> None:
    for person in people.speakers:
        for job in (people.things.job, _unknown(people.things).job):
            with pytest.raises(MCPError, match="There is no job"):
                await person.session.send_request(Ask(method="tasks/get", params=Params(task_id=job)), Task)
            await person.session.send_request(Ask(method="tasks/cancel", params=Params(task_id=job)), Result)
    await _require_untouched(people)


async def test_equal_calls_of_two_people_are_two_calls(people: People) -> None:
    order = {"prompt": "the same boat", "quality": "low", "wait_seconds": 0}
    jobs = [
        (await _answer(person, "generate_image", order))["job_id"] for person in (people.anna, people.cleo)
    ]
    assert jobs[0] != jobs[1]


@pytest.mark.parametrize("served", ["1"], indirect=True)
async def test_a_group_that_shares_finds_uses_and_deletes_each_others_images(people: People) -> None:
    its = people.things
    for ref in (its.image, its.session, its.job):
        await _answer(people.ben, "get_image", {"ref": ref})
    found = await _answer(people.ben, "find_images", {"query": WORD})
    assert its.image in {image["id"] for image in found["images"]}
    await _answer(people.ben, "continue_edit_session", {"session_id": its.session, "prompt": "bluer"})
    edited = await _answer(people.ben, "edit_image", {"images": [its.image], "prompt": "bluer"})
    assert people.things.folder not in edited["images"][0]["file_path"]
    await _answer(people.ben, "delete_image", {"ref": its.image, "confirm": True})
    gone = await _call(people.anna, "get_image", {"ref": its.image})
    assert _codes(gone) == {"not_found"}


def test_each_route_is_for_those_whom_it_is_for(served: tuple[Served, bool]) -> None:
    running, _ = served
    file = TokensFile(running.folder / "tokens.toml")
    scopes = (("images:read", "images:spend"), ("images:read",), ("images:read", "admin"))
    tokens = ["", *(file.add("somebody", scopes=each)[0] for each in scopes)]
    for name, statuses in ROUTES.items():
        method, path = name.split()
        headers = [{"Authorization": f"Bearer {token}"} if token else {} for token in tokens]
        url = running.root + path
        answers = tuple(httpx2.request(method, url, headers=each).status_code for each in headers)
        assert answers == statuses, name


async def test_who_may_only_read_is_shown_and_given_no_more(served: tuple[Served, bool]) -> None:
    running, _ = served
    token, _ = TokensFile(running.folder / "tokens.toml").add("reader", scopes=("images:read",))
    eras: list[Literal["auto", "legacy"]] = ["auto", "legacy"]
    for era in eras:
        async with Client(running.url, auth=token, mode=era) as reader:
            names = {tool.name for tool in await reader.list_tools()}
            assert names == {"estimate_cost", "find_images", "get_image", "list_edit_sessions"}
            for tool in {*NAMING, *LISTING} - names:
                refused = await _call(reader, tool, {"prompt": "a boat"})
                assert _codes(refused) == {"authentication_failed"}
                assert "images:spend" in _everything(refused)
            assert (await _answer(reader, "find_images", {"limit": 0}))["total"] == 0
