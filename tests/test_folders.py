"""Where images go: which folder is chosen, which are refused, and that it can be written."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.errors import OutputRejected
from gpt_image_mcp.folders import (
    default_folder,
    fallback_folders,
    output_folder,
    person_folder,
    project_folder,
    require_allowed,
    require_writable,
)
from gpt_image_mcp.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable


def test_the_calls_folder_beats_the_configured_one(tmp_path: Path) -> None:
    settings = Settings(output_dir=str(tmp_path / "configured"))
    assert output_folder(settings, str(tmp_path / "own")) == tmp_path / "own"
    assert output_folder(settings, "") == tmp_path / "configured"


def test_the_default_folder_is_named_after_the_project_and_its_real_path(project: Path) -> None:
    folder = output_folder(Settings(), "")
    assert folder.parent == Path.home() / "config" / "gpt-image-mcp" / "output"
    assert re.fullmatch(r"project-[0-9a-f]{12}", folder.name)
    (project / "sub").mkdir()
    assert default_folder(Settings(project_dir=str(project / "sub"))) != folder


def test_all_folders_of_a_git_repository_share_its_default_folder(project: Path) -> None:
    (project / ".git").mkdir()
    (project / "a" / "b").mkdir(parents=True)
    assert default_folder(Settings(project_dir=str(project / "a" / "b"))) == default_folder(Settings())


def test_a_project_reached_through_a_link_has_the_same_default_folder(project: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(project)
    assert default_folder(Settings(project_dir=str(link))) == default_folder(Settings())


def test_the_file_systems_root_as_project_has_a_default_folder_too() -> None:
    assert default_folder(Settings(project_dir="/")).name.startswith("root-")


def test_a_project_with_the_longest_name_has_a_default_folder(tmp_path: Path) -> None:
    longest = tmp_path / ("ü" * 127)
    longest.mkdir()
    assert require_writable(default_folder(Settings(project_dir=str(longest)))).is_dir()


def test_a_relative_folder_starts_at_the_project(project: Path, tmp_path: Path) -> None:
    assert output_folder(Settings(), "pictures/new") == project / "pictures" / "new"
    other = tmp_path / "other"
    assert output_folder(Settings(project_dir=str(other)), "pictures") == other / "pictures"


def test_a_relative_folder_without_a_project_is_refused() -> None:
    with pytest.raises(OutputRejected, match="pictures"):
        output_folder(Settings(project_dir="/"), "pictures")


@pytest.mark.parametrize("unseen", ["\u202e", "\u200b", "\u2066", "\ufeff", "\u2800", "\U000e0041"])
def test_a_folder_is_made_without_what_nobody_sees_in_its_name(unseen: str, tmp_path: Path) -> None:
    there = tmp_path / f"th{unseen}ere"
    there.mkdir()
    asked = there / f"n{unseen}ew" / unseen / f"{unseen}deep"
    assert output_folder(Settings(), str(asked)) == there / "new" / "deep"
    assert output_folder(Settings(), str(there)) == there
    with pytest.raises(OutputRejected, match="what others run"):
        output_folder(Settings(), str(tmp_path / f".{unseen}git" / "hooks"))


@pytest.mark.parametrize("obeyed", ["\x1b[31m", "\n", "\x7f", "\x9b", "\r"])
def test_no_folder_is_made_whose_name_a_terminal_would_obey(obeyed: str, tmp_path: Path) -> None:
    there = tmp_path / f"th{obeyed}ere"
    with pytest.raises(OutputRejected, match="cannot be shown"):
        output_folder(Settings(), str(there / "new"))
    there.mkdir()
    assert output_folder(Settings(), str(there / "new")) == there / "new"


def test_home_is_expanded_and_quotes_are_removed() -> None:
    assert output_folder(Settings(), ' "~/pictures" ') == Path.home() / "pictures"
    assert output_folder(Settings(output_dir="'~/pictures'"), "") == Path.home() / "pictures"
    assert project_folder(Settings(project_dir="~/project")) == Path.home() / "project"


@pytest.mark.parametrize("bad", ["/tmp/a\0b", "/tmp/\ud800"])
def test_what_is_no_path_is_refused(bad: str) -> None:
    with pytest.raises(OutputRejected):
        output_folder(Settings(), bad)


@given(st.text(st.characters(), max_size=40))
def test_any_text_is_a_folder_or_refused(text: str) -> None:
    with contextlib.suppress(OutputRejected):
        assert output_folder(Settings(), text).is_absolute()


@pytest.mark.parametrize(
    "folder",
    [
        *("/etc", "/etc/images", "/usr/local/share", "/proc/self", "/bin", "/System/Library", "/ETC/x"),
        *("~/.ssh", "~/.ssh/keys/new", "~/.config/gcloud", "~/.AWS", "~/.kube/cache", "~/.docker"),
        *(
            "/tmp/../etc",
            "~/pictures/../.gnupg",
            "/root/pictures",
            "/var/root",
            "/var/spool/cron",
            "/var/lib/x",
        ),
    ],
)
def test_system_and_credential_folders_are_refused(folder: str) -> None:
    with pytest.raises(OutputRejected) as caught:
        output_folder(Settings(), folder)
    assert "GPT_IMAGE_ALLOW_UNSAFE_OUTPUT_DIR" in caught.value.next_step


def test_a_configured_folder_is_guarded_like_a_calls_own() -> None:
    with pytest.raises(OutputRejected):
        output_folder(Settings(output_dir="/etc/images"), "")


def test_a_link_into_a_guarded_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "innocent").symlink_to(Path.home() / ".ssh")
    with pytest.raises(OutputRejected, match=r"\.ssh"):
        output_folder(Settings(), str(tmp_path / "innocent" / "not" / "there" / "yet"))


def test_a_link_to_a_file_system_folder_is_named_as_it_really_is(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(OutputRejected, match="/etc"):
        output_folder(Settings(), str(tmp_path / "link"))


@pytest.mark.parametrize("folder", ["/etcetera", "~/.sshd", "~/.config/gcloud-images", "/usrlocal"])
def test_a_folder_that_only_begins_like_a_guarded_one_is_accepted(folder: str) -> None:
    assert output_folder(Settings(), folder) == Path(folder).expanduser()


def test_the_guard_can_be_lifted() -> None:
    settings = Settings(allow_unsafe_output_dir=True)
    assert output_folder(settings, "~/.ssh/pictures") == Path.home() / ".ssh" / "pictures"
    assert output_folder(settings, "/etc/pictures") == Path("/etc/pictures")


def test_the_users_own_home_in_a_system_folder_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/root")
    assert output_folder(Settings(), "/root/pictures") == Path("/root/pictures")
    with pytest.raises(OutputRejected):
        output_folder(Settings(), "/root/.ssh")


def test_a_home_at_the_root_does_not_lift_the_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/")
    with pytest.raises(OutputRejected):
        output_folder(Settings(), "/etc")


def test_a_writable_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    folder = require_writable(tmp_path / "a" / "b")
    assert folder == tmp_path / "a" / "b"
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("tail", "reason"), [("file", "File exists"), ("file/x", "Not a directory"), ("x" * 300, "too long")]
)
def test_a_folder_that_cannot_be_made_is_refused_with_the_reason(
    tail: str, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputRejected, match=reason) as caught:
        require_writable(tmp_path / tail)
    assert "GPT_IMAGE_OUTPUT_DIR" in caught.value.next_step


def test_a_folder_that_takes_no_files_is_refused() -> None:
    with pytest.raises(OutputRejected):
        require_writable(Path("/proc/self"))


def _failing_with(code: int) -> Callable[..., None]:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize(
    "broken",
    [
        {"fsync": errno.EIO},
        {"fsync": errno.ENOSPC},
        {"link": errno.EPERM, "replace": errno.EIO},
        {"replace": errno.EPERM},
        {"unlink": errno.EPERM},
    ],
)
def test_a_folder_in_which_saving_would_fail_is_refused_before_the_call(
    broken: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, code in broken.items():
        monkeypatch.setattr(os, name, _failing_with(code))
    with pytest.raises(OutputRejected, match="cannot be written") as caught:
        require_writable(tmp_path / "out")
    assert "GPT_IMAGE_OUTPUT_DIR" in caught.value.next_step
    if "unlink" not in broken:
        assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("missing", [{"link": errno.EPERM}, {"link": errno.ENOTSUP}, {"fsync": errno.EINVAL}])
def test_a_folder_that_lacks_only_what_saving_can_do_without_is_accepted(
    missing: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, code in missing.items():
        monkeypatch.setattr(os, name, _failing_with(code))
    assert list(require_writable(tmp_path / "out").iterdir()) == []


def test_the_fallbacks_are_the_default_folder_and_then_a_temporary_one() -> None:
    settings = Settings(output_dir="elsewhere")
    default, temporary = fallback_folders(settings)
    assert default == default_folder(settings)
    assert temporary.parent == Path(tempfile.gettempdir())


def test_nobody_who_signed_in_shares_a_fallback() -> None:
    anna, ben = (
        fallback_folders(
            Settings(auth="tokens", input_roots=(), output_dir=str(person_folder(Settings(), name)))
        )
        for name in ("anna", "ben")
    )
    assert not {*anna} & {*ben}
    assert all(folder.parent.name == "people" for folder in (*anna, *ben))


def test_a_working_directory_that_is_gone_refuses_calls_and_leaves_the_temporary_fallback(
    project: Path,
) -> None:
    project.rmdir()
    with pytest.raises(OutputRejected) as caught:
        output_folder(Settings(), "")
    assert "GPT_IMAGE_PROJECT_DIR" in caught.value.next_step
    (temporary,) = fallback_folders(Settings())
    assert temporary.parent == Path(tempfile.gettempdir())


def test_a_project_whose_name_is_not_unicode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputRejected):
        project_folder(Settings(project_dir=str(tmp_path / "\udcff")))


@pytest.mark.parametrize(
    "part",
    [
        *(".config/autostart", ".config/systemd/user", ".config/fish", "Library/LaunchAgents/x"),
        *("bin", ".local/share/applications", "work/.husky"),
        *(".local/bin", "AppData/Roaming/Microsoft/Windows/Start Menu/Programs/Startup", "work/.GIT/hooks"),
    ],
)
def test_folders_whose_files_somebody_else_runs_are_refused(part: str) -> None:
    with pytest.raises(OutputRejected, match="what others run"):
        output_folder(Settings(), f"~/{part}")
    output_folder(Settings(allow_unsafe_output_dir=True), f"~/{part}")


@pytest.mark.parametrize(
    ("variable", "part"),
    [("XDG_CONFIG_HOME", "autostart"), ("XDG_CONFIG_HOME", "gh/x"), ("XDG_DATA_HOME", "systemd/user")],
)
def test_they_are_refused_where_a_variable_moves_them_too(
    variable: str, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "moved"))
    with pytest.raises(OutputRejected, match="what others run"):
        output_folder(Settings(), str(tmp_path / "moved" / part))
    allowed = tmp_path / "moved" / "pictures"
    assert output_folder(Settings(), str(allowed)) == allowed


@pytest.mark.parametrize("name", [".git", ".GIT", ".git.", ".git ", ".Git. .", ".husky."])
def test_a_name_that_windows_shortens_to_that_of_a_repository_is_refused(name: str, project: Path) -> None:
    with pytest.raises(OutputRejected, match="what others run"):
        output_folder(Settings(), str(project / name / "hooks"))
    assert output_folder(Settings(), str(project / f"{name}x")) == project / f"{name}x"


def test_a_name_that_windows_shortens_to_that_of_credentials_is_refused() -> None:
    with pytest.raises(OutputRejected):
        output_folder(Settings(), "~/.ssh./keys")


def test_a_link_into_the_hooks_of_a_repository_is_refused(project: Path) -> None:
    (project / ".git" / "hooks").mkdir(parents=True)
    (project / "innocent").symlink_to(".git/hooks")
    with pytest.raises(OutputRejected):
        output_folder(Settings(), "innocent")
    assert output_folder(Settings(), "git/hooks") == project / "git" / "hooks"


@pytest.mark.parametrize(
    "way_out", ["../x", "../root-2", "inside/../../x", "link", "link/below", "link/../x", "~", "/"]
)
def test_no_way_leads_out_of_the_roots(way_out: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (root / "link").symlink_to(tmp_path / "elsewhere")
    asked = way_out if way_out[0] in "~/" else str(root / way_out)
    with pytest.raises(OutputRejected, match="GPT_IMAGE_OUTPUT_ROOTS") as refused:
        output_folder(Settings(output_roots=(root,)), asked)
    assert "elsewhere" not in str(refused.value)


def test_the_home_of_another_user_is_a_folder_of_that_name(project: Path) -> None:
    settings = Settings(output_roots=(project,))
    assert output_folder(settings, "~root/x") == project / "~root" / "x"


def test_the_roots_and_the_output_folder_are_open_whatever_leads_there(tmp_path: Path) -> None:
    root, own = tmp_path / "root", tmp_path / "own"
    root.mkdir()
    (tmp_path / "link").symlink_to(root)
    settings = Settings(output_roots=(tmp_path / "link",), output_dir=str(own))
    for asked in (root, root / "new" / "er", tmp_path / "link" / "a", own / "b"):
        assert output_folder(settings, str(asked)) == asked
    assert output_folder(settings, str(root / "a" / ".." / "b")) == root / "b"
    assert output_folder(settings, "") == own
    assert not own.exists()


@pytest.mark.parametrize("there", ["a file", "a folder", "nothing", "a folder that nobody may see"])
def test_a_refusal_does_not_tell_what_is_there(there: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    if there == "a file":
        secret.touch()
    elif there != "nothing":
        secret.mkdir(mode=0o700 if there == "a folder" else 0)
    settings = Settings(output_roots=())
    with pytest.raises(OutputRejected) as refused:
        output_folder(settings, str(secret))
    said = refused.value.message.removesuffix(f" ({default_folder(settings)}).")
    assert said == f"{secret} is outside the folders that images may be saved in"


def test_a_file_that_is_a_link_out_of_the_roots_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "logo.png").symlink_to(tmp_path / "elsewhere.png")
    settings = Settings(output_roots=(tmp_path / "root",))
    require_allowed(tmp_path / "root" / "other.png", settings)
    with pytest.raises(OutputRejected):
        require_allowed(tmp_path / "root" / "logo.png", settings)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
@pytest.mark.parametrize("planted", ["nothing", "ours", "a link", "a file", "open to all", "another user's"])
def test_the_temporary_fallback_is_a_folder_of_this_user_alone(
    planted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    usual = tmp_path / f"gpt-image-mcp-{os.getuid()}"
    if planted == "a link":
        (tmp_path / "elsewhere").mkdir()
        usual.symlink_to(tmp_path / "elsewhere")
    elif planted == "a file":
        usual.touch()
    elif planted != "nothing":
        usual.mkdir(mode=0o700)
    if planted == "open to all":
        usual.chmod(0o777)
    if planted == "another user's":
        if os.getuid():
            pytest.skip("only root can give a folder away")
        os.chown(usual, 12_345, 12_345)
    found = fallback_folders(Settings())[-1]
    assert found.parent == tmp_path
    assert not found.is_symlink()
    assert found.stat().st_uid == os.getuid()
    assert stat.S_IMODE(found.stat().st_mode) == 0o700
    assert (found == usual) == (planted in {"nothing", "ours"})
    assert (str(found) in caplog.text) == (found != usual)
