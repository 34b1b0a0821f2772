"""What one process has for itself, and what survives a loss of power."""

import errno
import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.core.state import State
from gateway.runtime import files
from gateway.runtime.files import Taken, alone, make_durably, write_durably
from gateway.runtime.snapshots import Snapshots


def test_a_lock_belongs_to_one_at_a_time(tmp_path: Path) -> None:
    lock = tmp_path / "data" / "gateway.lock"
    with alone(lock, "somebody has it"):
        assert lock.parent.stat().st_mode & 0o777 == 0o700
        with pytest.raises(Taken, match="somebody has it"), alone(lock, "somebody has it"):
            pytest.fail("two have it")
    with alone(lock, "somebody has it"):
        pass


def test_one_that_has_patience_gets_the_lock_when_the_other_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "follower.lock"
    with ExitStack() as other:
        other.enter_context(alone(lock, "taken"))
        monkeypatch.setattr(files.time, "sleep", lambda _seconds: other.close())
        with alone(lock, "taken", patience_s=60):
            pass


def test_a_small_file_is_durable_by_content_and_by_name_and_never_half_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Synced under another name, so that the old one is there until the new one is whole."""
    synced: list[tuple[Path, bytes]] = []
    path = tmp_path / "restored.json"
    path.write_bytes(b"old")

    def fsync(descriptor: int) -> None:
        synced.append((Path(f"/proc/self/fd/{descriptor}").readlink(), path.read_bytes()))

    monkeypatch.setattr(os, "fsync", fsync)
    write_durably(path, b"{}")
    assert synced == [(tmp_path / "restored.json.new", b"old"), (tmp_path, b"{}")]
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_file_that_a_full_disk_does_not_take_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system does so only where a file cannot be opened."""

    def full(_path: Path, _content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=f"No space left on device: '{tmp_path}/restored.json'"):
        write_durably(tmp_path / "restored.json", b"{}")


def test_each_directory_that_is_made_is_durable_in_the_one_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(Path(f"/proc/self/fd/{descriptor}").readlink()))
    for _ in range(2):
        make_durably(tmp_path / "a" / "b")
    assert synced == [tmp_path, tmp_path / "a"]
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("a", "a/b")] == [0o700, 0o700]


def test_the_directory_of_what_is_kept_is_durable_before_anything_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal on a disk is as durable as the name of its directory, on the first day too."""
    synced: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(Path(f"/proc/self/fd/{descriptor}").readlink()))
    with alone(tmp_path / "data" / "gateway.lock", "taken"):
        assert synced == [tmp_path]
        Snapshots(tmp_path / "data" / "snapshots").save(State(), bytes(32))
    assert synced[1] == tmp_path / "data"
