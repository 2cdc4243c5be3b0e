"""Values of variables as clients and people write them: cleaned, or refused in the same words everywhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gpt_image_mcp.errors import InvalidSetting
from gpt_image_mcp.settings import read_settings
from tests.environment.processes import DRAW, Machine
from tests.socks import serve_socks
from tests.standin import serve_standin

if TYPE_CHECKING:
    from pathlib import Path

BOM = "\ufeff"
AROUND = [
    " {} ",
    '"{}"',
    "'{}'",
    "{}\r\n",
    BOM + "{}",
    " ' {} '\n",
    "\u201c{}\u201d",
    "\u202a{}\u200b",
    "\xa0{}\t",
]
UNFILLED = [
    "${HOME}/x",
    "$HOME/x",
    "%USERPROFILE%\\x",
    "%DATA%",
    "{{folder}}",
    "${env:X}",
    "$(pwd)",
    "a-$USER",
]


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize(
    ("variable", "field", "value"),
    [
        ("OPENAI_BASE_URL", "base_url", "https://gateway.example/v1"),
        ("OPENAI_ORG_ID", "org_id", "org-1"),
        ("GPT_IMAGE_QUALITY", "quality", "high"),
        ("GPT_IMAGE_WAIT_SECONDS", "wait_seconds", "7.5"),
        ("GPT_IMAGE_MAX_COST_USD", "max_cost_usd", "1.5"),
        ("GPT_IMAGE_OUTPUT_DIR", "output_dir", "/a b"),
        ("GPT_IMAGE_DEBUG", "debug", "True"),
    ],
)
def test_what_was_copied_along_is_dropped_from_every_variable(
    around: str, variable: str, field: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, around.format(value))
    assert str(getattr(read_settings(), field)) == value


@pytest.mark.parametrize("nothing", [" ", '""', "' '", BOM, "\n"])
def test_a_variable_without_anything_leaves_the_word_to_its_other_name(
    nothing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPT_IMAGE_OUTPUT_DIR", nothing)
    monkeypatch.setenv("DEFAULT_OUTPUT_DIR", "/b")
    assert read_settings().output_dir == "/b"


@pytest.mark.parametrize("value", ["1", "true", "TRUE", "yes", "On", "y"])
def test_every_way_to_say_yes_is_understood(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPT_IMAGE_SANDBOX", value)
    assert read_settings().sandbox


@pytest.mark.parametrize("value", UNFILLED)
@pytest.mark.parametrize("variable", ["GPT_IMAGE_OUTPUT_DIR", "GPT_IMAGE_INPUT_ROOTS", "SSL_CERT_FILE"])
def test_what_a_client_did_not_fill_in_is_refused(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidSetting, match="did not fill in") as refusal:
        read_settings()
    assert repr(value) in refusal.value.message
    assert variable in refusal.value.next_step


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GPT_IMAGE_DATABASE_URL", "postgresql://me:$ecret%40x%C3%A9t%C3@host/db"),
        ("OPENAI_BASE_URL", "https://gateway.example/%E6%BC%A2/v1"),
        ("GPT_IMAGE_OUTPUT_DIR", "/srv/C$/100% cotton/a$b"),
        ("HTTPS_PROXY", "http://me:$ecret@proxy.example:8080"),
        ("NO_PROXY", "<local>"),
    ],
)
def test_a_dollar_or_percent_that_belongs_there_is_kept(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    assert read_settings().model == "gpt-image-2"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OPENAI_API_KEY", "${OPENAI_API_KEY}-a1b2c3d4"),
        ("GPT_IMAGE_DATABASE_URL", "a1b2c3d4"),
        ("OPENAI_BASE_URL", "user:a1b2c3d4@gateway.example"),
        ("OPENAI_BASE_URL", "a1b2c3d4e5f6a7b8c9d0e1f2"),
        ("GPT_IMAGE_QUALITY", "sk-a1b2c3d4"),
        ("HTTPS_PROXY", "http://me:a1b2c3d4@${HOST}"),
        ("OPENAI_CUSTOM_HEADERS", "X-Token: a1b2c3d4 ${X}"),
    ],
)
def test_no_part_of_a_secret_is_told(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidSetting) as refusal:
        read_settings()
    assert variable in refusal.value.message
    assert "a1b2" not in str(refusal.value)


@pytest.mark.parametrize("value", ["40s", "1,5", "$5", "5 USD", "inf", "nan", "1.000,50"])
@pytest.mark.parametrize("variable", ["GPT_IMAGE_WAIT_SECONDS", "GPT_IMAGE_MAX_COST_USD"])
def test_a_number_with_a_unit_or_a_comma_is_refused(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidSetting, match="number"):
        read_settings()


@pytest.mark.parametrize(
    "settings",
    [
        {"GPT_IMAGE_OUTPUT_DIR": "${workspaceFolder}/images"},
        {"GPT_IMAGE_OUTPUT_DIR": "%USERPROFILE%\\Pictures", "GPT_IMAGE_WAIT_SECONDS": "40s"},
        {"OPENAI_API_KEY": "${input:key}"},
        {"OPENAI_BASE_URL": "gateway.example/v1"},
        {"GPT_IMAGE_INPUT_ROOTS": "~no-such-user-here/x"},
        {"HTTPS_PROXY": "${HTTPS_PROXY}"},
    ],
)
def test_server_command_and_doctor_refuse_a_value_in_the_same_words(settings: dict[str, str]) -> None:
    machine = Machine(settings)
    served, drawn = machine.serve(), machine.run(*DRAW, "--sandbox")
    checks = json.loads(machine.run("doctor", "--json").stdout)["checks"]
    said, step = next((check["said"], check["next"]) for check in checks if check["name"] == "settings")
    assert all(name in said and name in step for name in settings)
    assert (served.exit_code, served.answers) == (2, {})
    assert served.errors == drawn.stderr.decode() == f"invalid_argument: {said} Next: {step}\n"
    assert drawn.returncode == 2


@pytest.mark.parametrize("transport", ["stdio", "http"])
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"FASTMCP_LOG_LEVEL": "loud"}, "FASTMCP_LOG_LEVEL has the value 'loud', which is not allowed"),
        ({"FASTMCP_PORT": "x", "FASTMCP_DEBUG": "7"}, "Correct or unset FASTMCP_PORT, FASTMCP_DEBUG"),
        ({"OTEL_PROPAGATORS": "doves"}, "OTEL_... as they are: Propagator doves not found"),
        ({"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "x"}, "must be a non-negative integer but got x."),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "-1"}, "max_queue_size must be a positive integer."),
    ],
)
def test_a_variable_that_a_library_cannot_use_stops_the_start_in_a_sentence(
    settings: dict[str, str], words: str, transport: str
) -> None:
    traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    done = Machine({**traced, **settings}).run("serve", "--transport", transport)
    said = done.stderr.decode()
    assert (done.returncode, done.stdout, said.count("\n")) == (2, b"", 1)
    assert words in said


@pytest.mark.parametrize("around", [" {}/ \n", '"{}"', "'{}/'"])
async def test_a_base_address_is_used_whatever_is_around_it(around: str) -> None:
    import asyncio

    async with serve_standin() as standin:
        settings = {"OPENAI_API_KEY": " sk-test\n", "OPENAI_BASE_URL": around.format(standin.base_url)}
        done = await asyncio.to_thread(Machine({**settings, "OPENAI_ORG_ID": " "}).run, *DRAW)
        assert done.returncode == 0, done.stderr
        (request,) = standin.posts
    assert "openai-organization" not in request.headers


@pytest.mark.parametrize("spelling", ["socks5://{}", ' "socks5h://{}"\n'])
async def test_a_socks_proxy_is_gone_through(spelling: str) -> None:
    import asyncio

    settings = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": "http://gateway.invalid/v1"}
    async with serve_standin() as standin, serve_socks(int(standin.base_url.split(":")[2][:-3])) as proxy:
        machine = Machine({**settings, "ALL_PROXY": spelling.format(proxy.address)})
        served = await asyncio.to_thread(machine.serve)
        assert served.has_drawn, served.said
        assert "answers through ALL_PROXY" in (await asyncio.to_thread(machine.run, "doctor")).stdout.decode()
    assert set(proxy.hosts) == {"gateway.invalid"}


async def test_a_socks_proxy_that_speaks_something_else_has_sent_nothing() -> None:
    import asyncio

    async with serve_standin() as standin:
        host = standin.base_url.removeprefix("http://").removesuffix("/v1")
        settings = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": "http://gateway.invalid/v1"}
        machine = Machine({**settings, "ALL_PROXY": f"socks5://{host}", "GPT_IMAGE_MAX_RETRIES": "0"})
        served = await asyncio.to_thread(machine.serve)
        doctor = await asyncio.to_thread(machine.run, "doctor")
    for said in (served.said, doctor.stdout.decode()):
        assert "The proxy did not let the connection through" in said
        assert "nothing was sent" in said
    assert b"Traceback" not in doctor.stderr


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_certificates_that_cannot_be_read_are_named_by_the_first_call_and_by_doctor(
    content: bytes | None, project: Path
) -> None:
    file = project / "roots.pem"
    if content is not None:
        file.write_bytes(content)
    settings = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": "https://127.0.0.1:9/v1"}
    machine = Machine({**settings, "SSL_CERT_FILE": f"'{file}'"})
    served, doctor = machine.serve(), machine.run("doctor").stdout.decode()
    assert served.lists_tools
    said = f"The certificates of SSL_CERT_FILE={file} cannot be read ("
    assert said in served.said
    assert said in doctor
