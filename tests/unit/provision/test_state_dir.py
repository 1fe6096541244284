"""Who may work on a lab, and what becomes of the run of one that was killed."""

from __future__ import annotations

import os
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from mrunkit.provision.playbooks import MARKER
from mrunkit.provision.state_dir import ProvisionError, locked

RUN = uuid.uuid4().hex
OTHER_RUN = uuid.uuid4().hex


@pytest.fixture
def ansible(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of a run that goes on."""
    environ = {**os.environ, MARKER: RUN}
    with subprocess.Popen(["sleep", "600"], env=environ, stdin=subprocess.DEVNULL) as process:
        yield process
        process.kill()


def test_a_state_directory_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    """By the file that cannot be made; root writes where it likes, so a directory is in the way."""
    (tmp_path / "lock").mkdir()
    with (
        pytest.raises(ProvisionError, match=f"cannot make {tmp_path}/lock") as raised,
        locked(tmp_path),
    ):
        pass
    assert "lab_state_dir" in str(raised.value.remedy)


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    """Without a lock there is no work."""
    (tmp_path / "lock").symlink_to("/dev/full")
    with pytest.raises(ProvisionError, match=f"cannot make {tmp_path}/lock"), locked(tmp_path):
        pass


def test_what_a_killed_run_left_is_ended(tmp_path: Path, ansible: subprocess.Popen[bytes]) -> None:
    """Its processes, and its temporary files; and who was killed is known."""
    (tmp_path / "lock").write_text(f"123 {RUN}\n")
    with tempfile.TemporaryDirectory(prefix="mrunkit-", ignore_cleanup_errors=True) as private:
        Path(private, RUN).touch()
        with locked(tmp_path) as lock:
            assert ansible.wait(60) < 0
            assert not Path(private).exists()
            assert (lock.killed, lock.marker != RUN) == ("123", True)
    with locked(tmp_path) as lock:
        assert lock.killed is None


@pytest.mark.parametrize(
    "holder",
    ["", "123\n", f"123 {OTHER_RUN}\n", "123 \n", f"123 {RUN[:8]}\n"],
    ids=["nothing", "no run", "another run", "half a line", "half a marker"],
)
def test_other_runs_go_on(tmp_path: Path, ansible: subprocess.Popen[bytes], holder: str) -> None:
    """Whatever a file of an older version, or one that was not written whole, says."""
    (tmp_path / "lock").write_text(holder)
    with locked(tmp_path) as lock:
        assert lock.killed is None
    assert ansible.poll() is None


def test_a_run_is_forgotten_when_it_is_over(tmp_path: Path) -> None:
    """What ssh keeps open for a while is nothing to end; what an interrupted run left may be."""
    with locked(tmp_path) as lock:
        assert (tmp_path / "lock").read_text() == f"{os.getpid()} {lock.marker}\n"
    assert (tmp_path / "lock").read_text() == ""
    with pytest.raises(KeyboardInterrupt), locked(tmp_path) as lock:
        raise KeyboardInterrupt
    assert lock.marker in (tmp_path / "lock").read_text()
