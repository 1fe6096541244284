"""What a job is to its user does not depend on whether it runs in containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from job_containers import ContainerRuns

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


def test_a_ranks_exit_status_is_the_commands(mrunkit: ContainerRuns) -> None:
    """Whichever rank it is of."""
    ended = mrunkit.run_in("-N", "2", "local", mrunkit.program("exit_code"), "42", "1")
    assert (ended.status, ended.stdout) == (42, "")


@pytest.mark.parametrize(
    "words", [("-n", "4"), ("-n", "2"), ("-n", "2", "--user", "65534:65534")], ids=" ".join
)
def test_a_rank_that_fails_ends_the_others(mrunkit: ContainerRuns, words: tuple[str, ...]) -> None:
    """On both nodes; it was alone on its own, or not, or may not write to its sandbox.

    UCX would notice it before we do.
    """
    script = "[ $PMI_RANK -ne 1 ] || exit 42; sleep 60"
    given = ("--time-limit", "50", "--in-image", "-N", "2", *words)
    ended = mrunkit.run_in(*given, "local", "/bin/sh", "-c", script)
    assert ended.status == 42, ended.stderr
    assert "a rank ended with status 42, without MPI_Finalize" in ended.stderr


def test_rank_0_reads_the_commands_stdin(mrunkit: ContainerRuns) -> None:
    """All of it, to its end."""
    words = ("--in-image", "--network", "bridge", "local", "/bin/cat")
    ended = mrunkit.run_in(*words, stdin=b"first\nlast without its end")
    assert (ended.status, ended.stdout) == (0, "first\nlast without its end"), ended.stderr


def test_labels_tell_the_ranks(mrunkit: ContainerRuns) -> None:
    """--label prefixes each line with who wrote it."""
    words = ("--label", "--in-image", "-N", "2", "local", "/bin/echo", "hello")
    ended = mrunkit.run_in(*words)
    assert (ended.status, ended.lines) == (0, ["[0] hello", "[1] hello"])


def test_output_goes_to_files_of_the_users_own(mrunkit: ContainerRuns) -> None:
    """--output-dir is a directory here, not in mpiexec's container."""
    words = ("--output-dir", "out", "--in-image", "-N", "2", "local", "/bin/echo", "hello")
    ended = mrunkit.run_in(*words)
    assert (ended.status, ended.stdout) == (0, ""), ended
    files = {it.name: it.read_text() for it in (mrunkit.work / "out").iterdir()}
    assert {name: text for name, text in files.items() if text} == {
        "rank-0.out": "hello\n",
        "rank-1.out": "hello\n",
    }


def test_the_environment_is_given_by_name(mrunkit: ContainerRuns) -> None:
    """-x NAME takes the user's value, -x NAME=VALUE another; nothing else crosses."""
    script = 'echo "$GIVEN $SET ${OTHER-unset}"'
    ended = mrunkit.run_in(
        *("-x", "GIVEN", "-x", "SET=by hand", "--in-image", "local", "/bin/sh", "-c", script),
        variables={"GIVEN": "a b", "OTHER": "c"},
    )
    assert (ended.status, ended.stdout) == (0, "a b by hand unset\n"), ended


def test_a_program_in_the_image_needs_no_share(mrunkit: ContainerRuns) -> None:
    """--in-image takes the path as it is, whether or not there is such a file here."""
    ended = mrunkit.run_in("--in-image", "local", "mpi-hello")
    assert ended.status == 0, ended
    assert ended.stdout.startswith("rank 0 of 1 on "), ended


def test_a_program_that_the_image_lacks_is_not_found(mrunkit: ContainerRuns) -> None:
    """With a shell's status for that."""
    ended = mrunkit.run_in("--in-image", "local", "/no/such/program")
    assert ended.status == 127
    assert "/no/such/program cannot be run on a node: No such file or directory" in ended.stderr
