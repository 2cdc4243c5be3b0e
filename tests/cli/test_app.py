"""The command line as a user runs it: arguments, two streams, an exit code."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from pydantic import TypeAdapter
from rich.text import Text

from gpt_image_mcp.catalogue.models import load_catalogue
from gpt_image_mcp.cli.app import EXIT_INTERRUPTED, EXIT_USAGE, run
from gpt_image_mcp.cli.console import Console
from gpt_image_mcp.dates import today
from gpt_image_mcp.errors import StorageFailed
from tests.standin import serve_standin


def _run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gpt_image_mcp", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
        env={**os.environ, **settings},
    )


def _run_here(capsys: pytest.CaptureFixture[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """The same without a process, which takes seconds to start; a few tests see that one works too."""
    code = run(arguments)
    return subprocess.CompletedProcess(arguments, code, *capsys.readouterr())


def _format(path: Path) -> str | None:
    with Image.open(path) as image:
        image.load()
        return image.format


def _size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_demo_makes_images_without_key_and_network(project: Path) -> None:
    done = _run("demo", "--output-dir", str(project / "out"))
    assert done.returncode == 0, done.stderr
    printed = [line.split("  ")[1] for line in done.stdout.splitlines() if line.startswith("  ")]
    kinds = [Path(path).name.partition("-")[0] for path in printed]
    assert kinds == ["image", "image", "image", "edit", "session", "session", "batch", "batch"]
    assert all(_format(Path(path)) in {"PNG", "WEBP"} for path in printed)
    assert "total $" in done.stdout
    assert done.stdout.count("$0.") >= 8


def test_demo_ignores_a_key_that_is_set(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    done = _run_here(capsys, "demo", "--output-dir", str(project))
    assert done.returncode == 0, done.stderr


def test_generate_prints_the_path_on_stdout_and_the_rest_on_stderr(project: Path) -> None:
    done = _run("generate", "a fox", "--sandbox", "--quality", "low", "-o", "fox.webp")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{project / 'fox.webp'}\n"
    assert "Cost outside the sandbox: $0.00" in done.stderr
    assert _format(project / "fox.webp") == "WEBP"


def test_a_picture_is_written_in_exactly_the_size_that_is_asked_for(
    capsys: pytest.CaptureFixture[str], project: Path
) -> None:
    asked = ("--quality", "low", "--exact-size", "120x63")
    done = _run_here(capsys, "generate", "a fox", "--sandbox", *asked, "-o", "card.jpg")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in project.iterdir()] == ["card.jpg"]
    with Image.open(project / "card.jpg") as image:
        assert (image.size, image.format) == ((120, 63), "JPEG")
    quoted = json.loads(_run_here(capsys, "estimate", *asked, "--json").stdout)
    assert quoted["size"] == "1120x592"
    refused = _run_here(capsys, "generate", "a fox", "--sandbox", "--exact-size", "16x3840")
    assert refused.returncode == 1
    assert "at most 3:1" in refused.stderr


def test_generate_prints_the_structured_result_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    done = _run_here(capsys, "generate", "a fox", "--sandbox", "--quality", "low", "--n", "2", "--json")
    answer = json.loads(done.stdout)
    assert answer["status"] == "completed"
    assert len(answer["images"]) == 2
    assert "job_id" not in answer
    assert all(Path(image["file_path"]).is_file() for image in answer["images"])


@pytest.mark.parametrize(
    ("output", "file"), [("~/fox.jpeg", "fox.jpeg"), ("~/fox", "fox.png"), ("~/v1.2.PNG", "v1.2.png")]
)
def test_the_file_is_called_as_it_was_told(
    capsys: pytest.CaptureFixture[str], project: Path, output: str, file: str
) -> None:
    done = _run_here(capsys, "generate", "a fox", "--sandbox", "--quality", "low", "-o", output)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{project.parent / 'home' / file}\n"
    refused = _run_here(capsys, "generate", "a fox", "--sandbox", "-o", output)
    assert "exists" in refused.stderr
    assert len(list((project.parent / "home").glob("[!.]*.*"))) == 1


@pytest.mark.parametrize(("asked", "file"), [("jpg", "fox.jpg"), ("JPEG", "fox.jpg"), ("webp", "fox.webp")])
def test_a_file_without_an_ending_gets_the_one_of_the_format(
    capsys: pytest.CaptureFixture[str], project: Path, asked: str, file: str
) -> None:
    done = _run_here(capsys, "generate", "a fox", *QUICK, "-o", "fox", "--output-format", asked)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{project / file}\n"
    refused = _run_here(capsys, "generate", "a fox", *QUICK, "-o", "fox", "--output-format", "bmp")
    assert (refused.returncode, "invalid_argument: " in refused.stderr) == (1, True)


def test_an_existing_file_is_only_replaced_when_told(
    capsys: pytest.CaptureFixture[str], project: Path
) -> None:
    target = project / "fox.png"
    target.write_bytes(b"mine")
    refused = _run_here(capsys, "generate", "a fox", "--sandbox", "-o", "fox.png")
    assert refused.returncode == 1
    assert "--overwrite" in refused.stderr
    assert target.read_bytes() == b"mine"
    done = _run_here(
        capsys, "generate", "a fox", "--sandbox", "--quality", "low", "-o", "fox.png", "--overwrite"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{target}\n"
    assert _format(target) == "PNG"
    assert [path.name for path in project.glob("*.png")] == ["fox.png"]


def test_every_file_that_exists_is_found_before_anything_is_made(
    capsys: pytest.CaptureFixture[str], project: Path
) -> None:
    (project / "fox-2.jpg").write_bytes(b"mine")
    refused = _run_here(capsys, "generate", "a fox", *QUICK, "-o", "fox.jpg", "--n", "2")
    assert (refused.returncode, "fox-2.jpg exists" in refused.stderr) == (1, True)
    refused = _run_here(capsys, "generate", "a fox", *QUICK, "-o", "fox.png", "--output-format", "webp")
    assert (refused.returncode, "output_format is webp" in refused.stderr) == (1, True)
    assert [path.name for path in project.iterdir()] == ["fox-2.jpg"]


def test_a_file_may_be_above_the_working_directory_and_has_nothing_beside_it(
    capsys: pytest.CaptureFixture[str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "deep").mkdir()
    monkeypatch.chdir(project / "deep")
    done = _run_here(capsys, "generate", "a fox", *QUICK, "-o", "../art/fox.webp")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{project / 'art' / 'fox.webp'}\n"
    assert [path.name for path in (project / "art").iterdir()] == ["fox.webp"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("generate",),
        ("generate", "a fox", "--nonsense"),
        ("paint", "a fox"),
        ("generate", "a fox", "--n", "many"),
        ("serve", "--transport", "pigeon"),
        ("estimate", "--overwrite"),
    ],
)
def test_a_wrong_command_line_exits_with_2(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    done = _run_here(capsys, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Next: gpt-image-mcp --help" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("generate", "a fox"), "OPENAI_API_KEY"),
        (("generate", "", "--sandbox"), "prompt"),
        (("generate", "a fox", "--sandbox", "--size", "banana"), "banana"),
        (("generate", "a fox", "--sandbox", "--output-dir", "/etc/x"), "output_rejected"),
        (("generate", "a fox", "--sandbox", "-o", "fox.bmp", "--overwrite"), "not made as bmp"),
        (("generate", "a [sandbox:insufficient_quota]", "--sandbox"), "quota_exhausted"),
        (("estimate", "--quality", "best"), "best"),
    ],
)
def test_a_failure_exits_with_1_and_says_what_to_do(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    done = _run_here(capsys, *arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert words in done.stderr
    assert "Next: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_malformed_setting_exits_with_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPT_IMAGE_MAX_COST_USD", "lots")
    done = _run_here(capsys, "estimate")
    assert done.returncode == 2
    assert "GPT_IMAGE_MAX_COST_USD" in done.stderr


def test_estimate_prints_the_price_at_every_quality(capsys: pytest.CaptureFixture[str]) -> None:
    done = _run_here(capsys, "estimate", "--size", "1024x1024", "--quality", "high")
    assert done.returncode == 0
    assert "$0.2107" in done.stdout
    assert "low $0.0059" in done.stdout
    answer = json.loads(
        _run_here(capsys, "estimate", "--size", "1024x1024", "--quality", "high", "--json").stdout
    )
    assert answer["cost_usd_estimated"] == 0.21072


def test_estimate_adds_input_images_to_the_price(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--size", "1024x1024", "--quality", "low")
    prices: list[float] = []
    for number in ("0", "2"):
        assert run(["estimate", *options, "--input-images", number, "--json"]) == 0
        prices.append(json.loads(capsys.readouterr().out)["cost_usd_estimated"])
    assert prices[0] < prices[1]
    assert run(["estimate", *options]) == 0
    assert f"${prices[0]:.4f}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "option", ["--output-dir=/x", "--filename=x", "--filename-prefix=x", "--user=x", "--overwrite"]
)
def test_estimate_refuses_options_that_do_not_change_a_price(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["estimate", option]) == 2
    assert option.partition("=")[0] in capsys.readouterr().err


def test_models_lists_each_model_with_its_price_and_end(capsys: pytest.CaptureFixture[str]) -> None:
    done = _run_here(capsys, "models")
    assert done.returncode == 0
    for words in ("gpt-image-2.6-flare", "low $0.0059", "ended 2026-05-12, use gpt-image-2"):
        assert words in done.stdout


@pytest.mark.parametrize("width", ["0", "1", "2", "99999999"])
@pytest.mark.parametrize("command", [("--help",), ("generate", "--help"), ("models",)])
def test_no_width_of_a_terminal_makes_a_table_without_end(
    command: tuple[str, ...], width: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", width)
    shown = _run_here(capsys, *command).stdout
    assert 20 <= max(map(len, Text.from_ansi(shown).plain.splitlines())) <= 500


@pytest.mark.parametrize("width", ["80", "100", "131", "132", "200"])
def test_models_breaks_no_name_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", width)
    shown = _run_here(capsys, "models").stdout
    assert max(len(line) for line in shown.splitlines() if line.startswith("│")) <= int(width)
    models = load_catalogue().living(today())
    for model in models:
        snapshots = sum(other.snapshot_of == model.name for other in models)
        assert shown.count(f" {model.name} ") >= 1 + snapshots


def test_models_lists_what_lives_and_says_what_became_of_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    def printed(day: str) -> str:
        Console().print_models(load_catalogue(), today=dt.date.fromisoformat(day))
        return " ".join(capsys.readouterr().out.split())

    before, after = printed("2026-11-30"), printed("2026-12-01")
    assert "ends 2026-12-01, then" in before
    for name in ("gpt-image-1.5", "gpt-image-1-mini", "chatgpt-image-latest"):
        sentence = f"{name} ended 2026-12-01, use gpt-image-2.6-sunburst or gpt-image-2.6-flare."
        assert sentence not in before
        assert sentence in after
        assert after.count(name) == 1
    assert "transparent, gif" in after


def test_an_old_list_of_models_is_said_to_be_old(capsys: pytest.CaptureFixture[str]) -> None:
    checked = load_catalogue().checked
    for days, is_old in ((60, False), (61, True)):
        Console().print_models(load_catalogue(), today=checked + dt.timedelta(days=days))
        assert (f"checked {days} days ago" in capsys.readouterr().out) is is_old


def test_version_and_help_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run_here(capsys, "--version").stdout.strip() == "0.1.0"
    done = _run_here(capsys, "--help")
    assert done.returncode == 0
    for command in ("generate", "estimate", "models", "demo", "serve"):
        assert command in done.stdout


async def test_generate_reaches_an_http_api(project: Path) -> None:
    import asyncio

    async with serve_standin() as standin:
        done = await asyncio.to_thread(
            _run,
            *("generate", "a fox", "--quality", "low", "-o", "fox.jpg", "--json"),
            OPENAI_API_KEY="sk-test",
            OPENAI_BASE_URL=standin.base_url,
        )
        assert done.returncode == 0, done.stderr
        assert standin.posts[0].json is not None
        assert standin.posts[0].json["output_format"] == "jpeg"
    assert _format(project / "fox.jpg") == "JPEG"
    assert "sk-test" not in done.stdout + done.stderr


@pytest.fixture
def photo(project: Path) -> str:
    """A picture of the user's."""
    Image.linear_gradient("L").resize((256, 256)).convert("RGB").save(project / "photo.png")
    return "photo.png"


QUICK = ("--sandbox", "--quality", "low", "--size", "816x816")


def test_edit_writes_the_file_that_was_named(
    capsys: pytest.CaptureFixture[str], project: Path, photo: str
) -> None:
    region = '{"shape": "ellipse", "box": [0.2, 0.2, 0.8, 0.8]}'
    done = _run_here(
        capsys, "edit", "make it night", photo, "-o", "night.webp", "--region", region, "--sandbox"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{project / 'night.webp'}\n"
    with Image.open(project / "night.webp") as image:
        assert (image.format, image.size) == ("WEBP", (256, 256))
    assert "outside the mask had changed" in done.stderr


def test_edit_points_with_marks_or_a_markup_file(
    capsys: pytest.CaptureFixture[str], project: Path, photo: str
) -> None:
    hints = Image.new("RGBA", (256, 256), (0, 0, 0, 0))
    hints.paste((255, 0, 0, 255), (20, 20, 60, 30))
    hints.save(project / "hints.png")
    marks = '[{"shape": "arrow", "points": [[0.2, 0.2], [0.7, 0.6]]}, {"shape": "box", "box": [0, 0, 1, 1]}]'
    model = ("--model", "gpt-image-2.5-flare")
    done = _run_here(capsys, "edit", "move it", photo, "--marks", marks, *model, *QUICK)
    assert done.returncode == 0, done.stderr
    assert "2 marks were drawn and sent as hints" in done.stderr
    done = _run_here(capsys, "edit", "move it", photo, "--markup", "hints.png", *model, *QUICK)
    assert done.returncode == 0, done.stderr
    done = _run_here(capsys, "edit", "move it", photo, "--marks", "here", *model, *QUICK)
    assert done.returncode == 1
    assert "Mark 1 is 'here', which is no JSON object" in done.stderr


def test_edit_takes_several_images_and_prints_json(capsys: pytest.CaptureFixture[str], photo: str) -> None:
    done = _run_here(capsys, "edit", "combine them", photo, photo, "--json", *QUICK)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["images"][0]["width"] == 816


def test_edit_says_what_is_wrong_with_an_input(capsys: pytest.CaptureFixture[str], project: Path) -> None:
    (project / "notes.png").write_text("not a picture")
    done = _run_here(capsys, "edit", "make it night", "notes.png", *QUICK)
    assert done.returncode == 1
    assert "input_rejected: " in done.stderr
    assert "Next: " in done.stderr


def test_batch_edits_files_and_reports_the_failed_ones(
    capsys: pytest.CaptureFixture[str], project: Path, photo: str
) -> None:
    done = _run_here(capsys, "batch", "warmer", photo, "gone.png", "--json", *QUICK)
    assert done.returncode == 1
    answer = json.loads(done.stdout)
    assert [item["status"] for item in answer["items"]] == ["completed", "failed"]
    done = _run_here(capsys, "batch", "warmer", str(project), *QUICK)
    assert done.returncode == 0, done.stderr
    assert _format(Path(done.stdout.strip())) == "PNG"


def test_a_manifest_gives_each_image_its_own_prompt_and_options(
    capsys: pytest.CaptureFixture[str], project: Path, photo: str
) -> None:
    lines = [
        {"image": photo, "prompt": "make it night", "output_format": ".WebP"},
        {"image": photo, "filename": "day", "regions": [{"box": [0, 0, 0.5, 1]}], "size": "auto"},
    ]
    (project / "jobs.jsonl").write_text("\n\n".join(json.dumps(line) for line in lines))
    done = _run_here(
        capsys, "batch", "make it day", "--manifest", "jobs.jsonl", *QUICK, "--output-dir", "out"
    )
    assert done.returncode == 0, done.stderr
    first, second = (Path(line) for line in done.stdout.split())
    assert (_format(first), _format(second)) == ("WEBP", "PNG")
    assert second == project / "out" / "day.png"
    assert first.stem.endswith("-photo")


def test_the_size_of_a_line_takes_the_place_of_an_exact_size_of_all(
    capsys: pytest.CaptureFixture[str], project: Path, photo: str
) -> None:
    lines = [{"image": photo}, {"image": photo, "size": "square"}, {"image": photo, "exact_size": "32x48"}]
    (project / "jobs.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    options = ("--sandbox", "--quality", "low", "--exact-size", "64x64")
    done = _run_here(capsys, "batch", "make it day", "--manifest", "jobs.jsonl", *options)
    assert done.returncode == 0, done.stderr
    sizes = [_size(Path(line)) for line in done.stdout.split()]
    assert sizes == [(64, 64), (1024, 1024), (32, 48)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"image": 3}', "Line 1"),
        ('{"image": "a.png"}\n{"image": "a.png", "colour": "red"}', "Line 2 of the manifest"),
        ("[1]", "Line 1"),
        ("not json", "Line 1"),
        ('{"image": "a.png", "n": "many"}', "Line 1"),
        ('{"image": "a.png", "n": 50}', "Line 1"),
        ('{"image": "a.png"}\n{"image": "a.png", "regions": [{"box": [0, 0, 9, 9]}]}', "Line 2"),
        ("", "lists 0 images"),
    ],
)
def test_a_malformed_manifest_is_refused_with_its_line(
    capsys: pytest.CaptureFixture[str], project: Path, text: str, words: str
) -> None:
    (project / "jobs.jsonl").write_text(text)
    done = _run_here(capsys, "batch", "warmer", "--manifest", "jobs.jsonl", *QUICK)
    assert done.returncode == 1
    assert words in done.stderr


def test_lines_of_a_manifest_are_counted_before_any_is_read(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "jobs.jsonl").write_text("{\n\n" * 101)
    refused = _run_here(capsys, "batch", "warmer", "--manifest", "jobs.jsonl", *QUICK)
    assert "The manifest lists 101 images; it must be 1 to 100." in refused.stderr


def test_a_manifest_and_images_do_not_mix(capsys: pytest.CaptureFixture[str], photo: str) -> None:
    done = _run_here(capsys, "batch", "warmer", photo, "--manifest", "jobs.jsonl", *QUICK)
    assert done.returncode == 1
    assert "--manifest" in done.stderr
    assert "jobs.jsonl" in _run_here(capsys, "batch", "warmer", "--manifest", "jobs.jsonl", *QUICK).stderr


def test_a_screenshot_of_macos_is_found_by_the_name_that_people_type(project: Path) -> None:
    typed, real = (f"Screenshot 2026-11-28 at 9.41.00{blank}AM.png" for blank in " \u202f")
    Image.linear_gradient("L").resize((816, 816)).save(project / real)
    line = json.dumps({"image": typed, "prompt": "night", "size": "816x816", "quality": "low"})
    (project / "list.jsonl").write_text(line)
    edited = _run("edit", "night", typed, "--mask", typed, "--quality", "low", GPT_IMAGE_SANDBOX="1")
    listed = _run("batch", "--manifest", "list.jsonl", "--json", GPT_IMAGE_SANDBOX="1")
    assert (edited.returncode, listed.returncode) == (0, 0), edited.stderr + listed.stderr
    assert f"{project / real} was taken" in edited.stderr
    assert str(project / real) in json.loads(listed.stdout)["items"][0]["notes"][0]


@pytest.mark.parametrize(
    "arguments",
    [
        ("history", "--limit", "1.5"),
        ("estimate", "--n", "2.5"),
        ("generate", "a fox", "--n", "1.5"),
        ("gallery", "--limit", "2.5"),
        ("serve", "--transport", "http", "--port", "80.5"),
        ("history", "--limit", "1.e999"),
    ],
)
def test_a_fraction_is_refused_where_a_whole_number_is_asked_for(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    done = _run_here(capsys, *arguments)
    assert done.returncode == 2
    assert f"{arguments[-2]} is {arguments[-1]}, which is no whole number." in done.stderr


def test_a_whole_number_may_be_written_with_a_point(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run_here(capsys, "history", "--limit", "2.0").returncode == 0


def test_a_list_of_which_a_part_was_lost_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(StorageFailed, match="No space left"):
            Console().print_json_lines(TypeAdapter(int), range(9))
        Console().print_lines(["a fox"])
    assert capsys.readouterr().err == "Output is lost: No space left on device.\n"


def test_a_limit_that_no_database_knows_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    refused = _run_here(capsys, "gallery", "--limit", "9223372036854775808")
    assert refused.returncode == 2
    assert "limit" in refused.stderr


def test_what_pillow_thinks_of_a_picture_is_not_said(project: Path) -> None:
    file = project / "odd.jpg"
    Image.new("RGB", (64, 64), "teal").save(file)
    plain = file.read_bytes()
    file.write_bytes(plain[:2] + b"\xff\xe2\x00\x0eMPF\0odd bytes" + plain[2:])
    done = _run("export", str(file), "-o", "even.png")
    assert done.returncode == 0
    assert "Warning" not in done.stderr


def test_a_manifest_that_never_ends_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    refused = _run_here(capsys, "batch", "--manifest", "/dev/zero", "--sandbox")
    assert refused.returncode == 1
    assert "The manifest /dev/zero has more than 50,000,000 characters." in refused.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("manifest", ["-", "jobs.fifo"])
def test_a_command_that_waits_for_its_manifest_ends_when_it_is_told_to(
    manifest: str, number: signal.Signals, project: Path
) -> None:
    os.mkfifo(project / "jobs.fifo")
    command = (sys.executable, "-m", "gpt_image_mcp", "batch", "--manifest", manifest, "--sandbox")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stdin is not None
        with waiting.stdin if manifest == "-" else (project / manifest).open("w") as lines:
            lines.write("\n" * 1_000_000)  # more than a pipe holds: it is being read when this is over
            lines.flush()
            waiting.send_signal(number)
            assert waiting.stderr is not None
            assert "Interrupted." in waiting.stderr.readline()
            if manifest == "-":  # who has no patience tells it again
                waiting.send_signal(number)
            assert waiting.stderr.read() == ""
            assert waiting.wait(50) in {EXIT_INTERRUPTED, -number}


def test_a_token_that_could_not_be_shown_is_a_failure(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GPT_IMAGE_AUTH", "tokens")
    monkeypatch.setenv("GPT_IMAGE_AUTH_TOKENS_FILE", str(project / "tokens.toml"))
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert run(("token", "add", "anna")) == 1
    assert "Not everything could be written: No space left" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("token", "--help")])
def test_help_that_nobody_can_take_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert run(arguments) == 0
    assert capsys.readouterr().err == "Output is lost: No space left on device.\n"


_LONG = "x" * 300


@pytest.mark.parametrize(
    "arguments",
    [
        ("delete", _LONG),
        ("compare", "a.png", "a.png", "-o", f"{_LONG}.png"),
        ("export", "a.png", "-o", f"{_LONG}.png"),
        ("export", f"{_LONG}.png", "-o", "b.png"),
        ("generate", "a fox", "-o", f"{_LONG}.png"),
        ("generate", "a fox", "--output-dir", _LONG),
        ("edit", "red", "a.png", "-o", f"{_LONG}/b.png"),
        ("edit", "red", f"{_LONG}.png"),
        ("batch", "red", _LONG),
        ("batch", "--manifest", _LONG),
        ("history", "rebuild", _LONG),
        ("history", "show", _LONG),
        ("gallery", "-o", f"{_LONG}.html"),
        ("config", "claude-desktop", "--write", "--file", f"{_LONG}.json"),
        ("demo", "--output-dir", _LONG),
    ],
)
def test_a_name_that_no_disk_takes_ends_in_a_sentence(
    capsys: pytest.CaptureFixture[str], project: Path, arguments: tuple[str, ...]
) -> None:
    Image.new("RGB", (64, 64), "teal").save(project / "a.png")
    done = _run_here(capsys, *arguments)
    assert done.returncode == 0 or "Next: " in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("estimate", "--json", "--model"),
        ("generate", "boat", "--model"),
        ("generate",),
        ("edit", "bluer"),
        ("audit", "--person"),
        ("history", "rebuild"),
    ],
)
def test_an_argument_that_is_no_text_is_refused(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    done = _run_here(capsys, *command, "x\udcff")
    assert done.returncode == EXIT_USAGE
    assert "'x\\udcff' is not valid in UTF-8" in done.stderr
