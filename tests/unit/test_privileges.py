"""Whom --user and --group name, who may become them, and which log files they are given."""

import os
import pwd
from pathlib import Path

import pytest

from dragoman.errors import OperatorError
from dragoman.supervisor import Identity, identity_of
from tests.support.users import GROUPS, NAME, USER


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "getegid", lambda: 0)


def test_without_the_settings_nobody_is_asked_for() -> None:
    assert identity_of("", "") is None


def test_who_this_process_is_already_is_nobody_else() -> None:
    assert identity_of(str(os.geteuid()), str(os.getegid())) is None


def test_a_user_is_meant_with_its_group_and_all_of_its_groups(as_root: None) -> None:
    assert identity_of(NAME, "") == Identity(USER.pw_uid, USER.pw_gid, tuple(GROUPS))
    assert identity_of(str(USER.pw_uid), "") == identity_of(NAME, "")


def test_a_group_is_taken_for_that_of_the_user(as_root: None) -> None:
    assert identity_of(NAME, "12345") == Identity(USER.pw_uid, 12345, tuple(sorted(os.getgrouplist(NAME, 12345))))


def test_a_group_alone_is_for_the_user_that_runs(as_root: None) -> None:
    groups = tuple(sorted(os.getgrouplist(pwd.getpwuid(0).pw_name, 12345)))
    assert identity_of("", "12345") == Identity(0, 12345, groups)


def test_a_user_that_is_only_a_number_needs_a_group(as_root: None) -> None:
    with pytest.raises(OperatorError, match="add --group"):
        identity_of("54321", "")
    assert identity_of("54321", "12345") == Identity(54321, 12345, (12345,))


def test_only_root_may_become_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    with pytest.raises(OperatorError) as caught:
        identity_of("root", "root")
    assert str(caught.value) == (
        '--user "root" --group "root": only root may become somebody else, and this process runs as a user without a'
        " name (54321); start it as root, or leave this out"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away: run the tests as root to see it")
class TestLogsThatAreGivenAway:
    """A log becomes the user's; a file that the user has put in its place does not."""

    identity = Identity(54321, 12345, (12345,))

    def owner_after(self, path: Path, opened: Path | None = None) -> int:
        fd = os.open(opened or path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            self.identity.give_log(fd, str(path))
        finally:
            os.close(fd)
        return path.stat().st_uid

    def test_a_regular_file_is(self, tmp_path: Path) -> None:
        assert self.owner_after(tmp_path / "log") == 54321
        assert (tmp_path / "log").stat().st_gid == 12345

    def test_what_a_symbolic_link_leads_to_is_not(self, tmp_path: Path) -> None:
        (tmp_path / "precious").touch()
        (tmp_path / "log").symlink_to("precious")
        assert self.owner_after(tmp_path / "log") == 0

    def test_what_has_a_second_name_is_not(self, tmp_path: Path) -> None:
        (tmp_path / "precious").touch()
        (tmp_path / "log").hardlink_to(tmp_path / "precious")
        assert self.owner_after(tmp_path / "log") == 0

    def test_what_has_come_into_its_place_is_not(self, tmp_path: Path) -> None:
        (tmp_path / "log").touch()
        assert self.owner_after(tmp_path / "log", opened=tmp_path / "before") == 0
        assert (tmp_path / "before").stat().st_uid == 0

    def test_a_device_is_not(self) -> None:
        assert self.owner_after(Path("/dev/null")) == 0
