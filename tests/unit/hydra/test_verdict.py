"""mpiexec's end, judged by what three versions really wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from mrunkit.errors import ExitStatus
from mrunkit.hydra.verdict import Verdict, verdict

DATA = Path(__file__).parents[2] / "data" / "hydra"
VERSIONS = ["3.4.3", "4.1.3", "5.0.2"]


def recorded(name: str) -> str:
    return (DATA / name).read_text()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_program_that_is_not_there_is_127(version: str) -> None:
    """As in a shell; the message names it."""
    assert verdict(255, recorded(f"missing-program-{version}.stderr")) == Verdict(
        exit_status=ExitStatus.NOT_FOUND,
        message="/share/prog cannot be run on a node: No such file or directory",
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_a_program_that_is_not_executable_is_126(version: str) -> None:
    """As in a shell; the message names it."""
    assert verdict(255, recorded(f"not-executable-{version}.stderr")) == Verdict(
        exit_status=ExitStatus.NOT_EXECUTABLE,
        message="/etc/passwd cannot be run on a node: Permission denied",
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_a_lost_proxy_is_a_failure_of_the_job(version: str) -> None:
    """mpiexec tells no more than an assertion; the message tells where to look."""
    judged = verdict(255, recorded(f"lost-proxy-{version}.stderr"))

    assert judged.exit_status == ExitStatus.FAILED
    assert "hydra_pmi_proxy ended before its ranks" in judged.message


@pytest.mark.parametrize("version", VERSIONS)
def test_mpiexecs_own_failure_is_told_in_its_words(version: str) -> None:
    """Without the source lines around them."""
    assert verdict(255, recorded(f"bad-option-{version}.stderr")) == Verdict(
        exit_status=ExitStatus.FAILED,
        message="mpiexec failed: unrecognized argument nosuchoption",
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_a_rank_that_a_signal_ended_is_named(version: str) -> None:
    """Its status is the signal's number, which an exit could have been."""
    assert verdict(11, "", recorded(f"killed-rank-{version}.stdout")) == Verdict(
        exit_status=11,
        message="a rank on 127.0.1.2 was ended by signal 11 (Segmentation fault)",
    )


def test_a_rank_that_ended_badly_is_not_hidden_by_a_failing_clean_up() -> None:
    """MPICH 5.0.2 fails now and then when it takes the other ranks down."""
    stderr, stdout = (
        recorded("failed-cleanup-5.0.2.stderr"),
        recorded("failed-cleanup-5.0.2.stdout"),
    )
    assert verdict(255, stderr, stdout) == Verdict(
        exit_status=9, message="a rank on 127.0.1.3 ended with status 9"
    )


@pytest.mark.parametrize("status", [0, 1, 5, 126, 127, 255])
def test_the_ranks_own_status_passes_through(status: int) -> None:
    """Whatever a rank wrote, if Hydra did not fail."""
    assert verdict(status, "execvp: I/O error\n") == Verdict(exit_status=status)


def test_a_killed_mpiexec_is_a_failure() -> None:
    """Nobody knows what became of the ranks."""
    assert verdict(-9, "") == Verdict(
        exit_status=ExitStatus.FAILED, message="mpiexec was ended by SIGKILL"
    )


def test_a_status_of_a_rank_is_not_excused_by_its_text() -> None:
    """A rank may print Hydra's words: they count only with Hydra's own status."""
    text = recorded("missing-program-5.0.2.stderr")

    assert verdict(3, text) == Verdict(exit_status=3)
