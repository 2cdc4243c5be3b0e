"""What path a text means."""

from __future__ import annotations

import contextlib
import string
import threading
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.paths import local_path, real_path, unquoted

BASE = Path("/work/project")
PLAIN = st.text(string.ascii_letters + string.digits + " .-_äß漢🚣#%&+", min_size=1, max_size=12).filter(
    lambda name: name.strip() == name and name.strip(".")
)
ABSOLUTE = st.lists(PLAIN, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        *(
            ("a.png", BASE / "a.png"),
            ("./x/../a.png", BASE / "x/../a.png"),
            ("/tmp/a.png", Path("/tmp/a.png")),
        ),
        *(
            ("  a.png\n", BASE / "a.png"),
            ("'a b.png'", BASE / "a b.png"),
            ('"/tmp/a.png"', Path("/tmp/a.png")),
        ),
        *(("`a.png`", BASE / "a.png"), ("\"'a.png'\"", BASE / "a.png"), ("it's.png", BASE / "it's.png")),
        *(
            ("100%.png", BASE / "100%.png"),
            ("a%20b.png", BASE / "a%20b.png"),
            ("a#b?c.png", BASE / "a#b?c.png"),
        ),
    ],
)
def test_a_path_is_taken_as_written_without_blanks_and_quotes_around_it(text: str, path: Path) -> None:
    assert local_path(text, base=BASE, wsl=False) == path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        *(("file:///tmp/a.png", "/tmp/a.png"), ("file:/tmp/a.png", "/tmp/a.png")),
        *(("FILE:///tmp/a%20b.png", "/tmp/a b.png"), ("file://localhost/tmp/a.png", "/tmp/a.png")),
        *(("file:///tmp/%E6%BC%A2.png", "/tmp/漢.png"), ("file:///tmp/a#b.png", "/tmp/a#b.png")),
        *(("file://a.png", "/work/project/a.png"), ("file:./a.png", "/work/project/./a.png")),
        *(
            ("'file:///tmp/a.png'", "/tmp/a.png"),
            ("file://localhosts/a.png", "/work/project/localhosts/a.png"),
        ),
    ],
)
def test_a_file_address_is_its_path_decoded(text: str, path: str) -> None:
    assert local_path(text, base=BASE, wsl=False) == Path(path)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "C:\\Users\\me\\a b.png",
            "C:/Users/me/a b.png",
            "c:\\Users/me\\a b.png",
            '"C:\\Users\\me\\a b.png"',
        ),
        *("file:///C:/Users/me/a%20b.png", "file://C:/Users/me/a%20b.png", "file:C:/Users/me/a b.png"),
        *(
            "file:///c:\\Users\\me\\a b.png",
            "file:///C:%5CUsers%5Cme%5Ca%20b.png",
            "file://localhost/C:/Users/me/a b.png",
        ),
    ],
)
def test_a_windows_path_is_below_mnt_inside_wsl(text: str) -> None:
    assert local_path(text, base=BASE, wsl=True) == Path("/mnt/c/Users/me/a b.png")


@pytest.mark.parametrize(
    "text",
    [
        *("\\\\wsl$\\Ubuntu\\home\\me\\a b.png", "\\\\wsl.localhost\\Ubuntu-24.04\\home\\me\\a b.png"),
        *("//WSL.localhost/Ubuntu/home/me/a b.png", "file://wsl.localhost/Ubuntu/home/me/a%20b.png"),
        *("file://///wsl$/Ubuntu/home/me/a b.png", '"\\\\wsl$\\Debian/home/me/a b.png"'),
    ],
)
def test_a_share_of_wsl_is_its_own_file_inside_wsl(text: str) -> None:
    assert local_path(text, base=BASE, wsl=True) == Path("/home/me/a b.png")


@pytest.mark.parametrize("text", ["\\\\?\\C:\\Users\\me\\a.png", "//?/c:/Users/me/a.png"])
def test_a_long_windows_path_is_below_mnt_inside_wsl(text: str) -> None:
    assert local_path(text, base=BASE, wsl=True) == Path("/mnt/c/Users/me/a.png")


@pytest.mark.parametrize("text", ["C:\\Users\\me\\a.png", "file:///C:/Users/me/a.png"])
def test_a_windows_path_keeps_its_drive_outside_wsl(text: str) -> None:
    found = local_path(text, base=BASE, wsl=False)
    assert str(found).replace("\\", "/").endswith("C:/Users/me/a.png")
    assert "/mnt/" not in str(found)


@pytest.mark.parametrize("text", ["C:a.png", "CD:\\a.png", "1:\\a.png"])
def test_what_only_resembles_a_drive_is_a_relative_path(text: str) -> None:
    assert local_path(text, base=BASE, wsl=True) == BASE / text


def test_the_system_says_whether_it_is_wsl_if_nobody_else_does() -> None:
    assert local_path("/tmp/a.png", base=BASE) == Path("/tmp/a.png")
    assert local_path("C:\\a.png", base=BASE) in {BASE / "C:\\a.png", Path("/mnt/c/a.png")}


@pytest.mark.parametrize("text", ["~/a.png", "file://~/a.png", "'~/a.png'"])
def test_a_tilde_is_the_home_of_the_user(text: str) -> None:
    assert local_path(text, base=BASE) == Path.home() / "a.png"


@pytest.mark.parametrize("name", ["~root", "~no-such-user-here", "~+", "~root\\a"])
def test_the_home_of_another_user_is_a_plain_name(name: str) -> None:
    assert local_path(f"{name}/a.png", base=BASE) == BASE / name / "a.png"
    assert local_path(name, base=BASE) == BASE / name


@pytest.mark.parametrize("text", ["", "  ", "''", '" "', "a\0b.png", "file:///a%00b.png", "a\ud800.png"])
def test_what_no_file_system_could_have_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"NUL|surrogates"):
        local_path(text, base=BASE)


@given(ABSOLUTE)
def test_an_absolute_path_survives_the_detour_over_its_address(path: str) -> None:
    assert local_path(path, base=BASE, wsl=False) == Path(path)
    assert local_path("file://" + quote(path), base=BASE, wsl=False) == Path(path)
    assert local_path(Path(path).as_uri(), base=BASE, wsl=True) == Path(path)


@given(st.lists(PLAIN, min_size=1, max_size=4), st.sampled_from(["/", "\\"]), st.sampled_from("cDz"))
def test_every_windows_path_is_found_inside_wsl(parts: list[str], separator: str, drive: str) -> None:
    text = f"{drive}:{separator}{separator.join(parts)}"
    assert local_path(text, base=BASE, wsl=True) == Path("/mnt", drive.lower(), *parts)


@given(st.text(max_size=40), st.booleans())
def test_any_text_is_an_absolute_path_or_an_error_that_is_announced(text: str, wsl: bool) -> None:  # noqa: FBT001 - hypothesis fills no keyword-only arguments
    with contextlib.suppress(ValueError, RuntimeError):
        assert local_path(text, base=BASE, wsl=wsl).is_absolute()


@given(st.text(max_size=20), st.text(" \t\n\"'`", max_size=4))
def test_quoting_twice_or_never_makes_no_difference(text: str, around: str) -> None:
    once = unquoted(around + text + around[::-1])
    assert unquoted(once) == once
    assert unquoted(f'"{once}"') == once


def test_a_path_is_followed_while_somebody_exchanges_a_folder_on_it_for_a_link(tmp_path: Path) -> None:
    real, folder, link = tmp_path / "real", tmp_path / "folder", tmp_path / "link"
    real.mkdir()
    stop = threading.Event()

    def exchange() -> None:
        while not stop.is_set():
            link.symlink_to(real)
            link.replace(folder)
            folder.unlink()
            folder.mkdir()
            folder.rmdir()

    thread = threading.Thread(target=exchange)
    thread.start()
    try:
        found = {real_path(folder / "a.png") for _ in range(3000)}
    finally:
        stop.set()
        thread.join()
    assert found <= {folder / "a.png", real / "a.png"}
