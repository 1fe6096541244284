"""What the command line of `run` may say, and what is said of it where it makes no sense."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from run_options import OPTIONS

from mrunkit.cli.request import RunRequest, build_request, find_program
from mrunkit.cli.run_options import is_local
from mrunkit.errors import (
    ExitStatus,
    MrunkitError,
    ProgramNotExecutableError,
    ProgramNotFoundError,
    UsageError,
)
from mrunkit.mesos.address import HostPort, ZooKeeper
from mrunkit.mesos.operator import Credentials
from mrunkit.scheduler.job import Constraint, Program
from mrunkit.scheduler.resources import Demand
from mrunkit.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A directory with an executable `hello` in it and in PATH."""
    for directory in (tmp_path, tmp_path / "bin"):
        directory.mkdir(exist_ok=True)
        (directory / "hello").write_text("#!/bin/sh\n")
        (directory / "hello").chmod(0o755)
    return Settings(
        environ={"PATH": str(tmp_path / "bin"), "HOME": "/home/me", "EMPTY": ""},
        workdir=str(tmp_path),
        user="me",
        uid=1000,
        gid=1000,
        hostname="client",
        state_dir=tmp_path / "state",
        is_terminal=False,
    )


def built(settings: Settings, **changes: Any) -> RunRequest:
    """The request for a command line with these changes."""
    return build_request(replace(OPTIONS, **changes), settings)


def problems(settings: Settings, **changes: Any) -> list[str]:
    """What is said of a command line with these changes."""
    with pytest.raises(UsageError) as raised:
        built(settings, **changes)
    assert raised.value.exit_status == ExitStatus.USAGE
    return str(raised.value).splitlines()


def test_a_job_is_what_was_asked_for(settings: Settings) -> None:
    """Every option has its place."""
    request = built(
        settings,
        cores=0.5,
        mem=64.0,
        hosts=("a, b", "c"),
        exclude=("d",),
        constraints=("rack:r1", "os:a:b"),
        wait=0.0,
        time_limit=60.0,
        is_dry_run=True,
    )
    spec = request.spec
    assert (spec.nodes, spec.procs, spec.slot_sizes) == (4, 10, (3, 3, 2, 2))
    assert spec.rank == Demand(cpus=0.5, mem=64.0)
    assert (spec.hosts, spec.exclude) == (frozenset("abc"), frozenset("d"))
    assert spec.constraints == (
        Constraint(attribute="rack", value="r1"),
        Constraint(attribute="os", value="a:b"),
    )
    assert (spec.wait, spec.time_limit, spec.dry_run) == (0.0, 60.0, True)
    assert request.name == "hello"
    assert request.mpi.program == Program(
        words=(f"{settings.workdir}/hello", "a", "b"), env={}, workdir=settings.workdir
    )
    assert request.master == HostPort(host="host0", port=5050)


def test_a_node_has_one_rank_by_default(settings: Settings) -> None:
    """-N 4 alone are four ranks."""
    assert built(settings, procs=None).spec.slot_sizes == (1, 1, 1, 1)


def test_job_ids_are_different(settings: Settings) -> None:
    """Also within the same second."""
    assert built(settings).spec.job_id != built(settings).spec.job_id


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"nodes": 0, "procs": None},
            ["-N 0: at least 1 node is needed", "-n 0: at least 1 rank is needed"],
        ),
        ({"nodes": 10**20, "procs": None}, [f"-N {10**20}: must be 100000 or fewer"]),
        ({"procs": 0}, ["-n 0: at least 1 rank is needed"]),
        ({"procs": 3}, ["-n 3 ranks cannot fill -N 4 nodes: ask for fewer"]),
        ({"retries": -1}, ["--retries -1: must not be negative"]),
        ({"cores": 0.0}, ["-c 0.0: must be a number of at least 0.01"]),
        ({"cores": float("nan")}, ["-c nan: must be a number of at least 0.01"]),
        ({"mem": 0.5}, ["-m 0.5: must be a number of at least 1"]),
        ({"mem": float("inf")}, ["-m inf: must be a number of at least 1"]),
        ({"mem": 1e300}, ["-m 1e+300: must be 1e+12 or less"]),
        ({"procs": 10**400}, ["-n: must be 1000000 or fewer"]),
        ({"wait": -1.0}, ["--wait -1.0: must be a number of at least 0"]),
        ({"start_timeout": 0.5}, ["--start-timeout 0.5: must be a number of at least 1"]),
        ({"time_limit": 0.0}, ["--time-limit 0.0: must be a number of at least 0.001"]),
        ({"constraints": ("rack",)}, ["--constraint rack: must be ATTRIBUTE:VALUE"]),
        ({"constraints": (":x",)}, ["--constraint :x: must be ATTRIBUTE:VALUE"]),
        ({"env": ("1A=x",)}, ["-x 1A=x: must be NAME or NAME=VALUE"]),
        ({"env": ("NOPE",)}, ["-x NOPE: is not set here; give it a value with -x NOPE=VALUE"]),
        ({"hosts": (" ,",)}, ["--hosts: names no host"]),
        ({"program": ("",)}, ["PROGRAM is empty"]),
        ({"hosts": ("a,b",), "exclude": ("b",)}, ["b is both in --hosts and in --exclude"]),
        ({"role": "a b"}, ["--role a b: is not a role's name"]),
        ({"role": "-x"}, ["--role -x: is not a role's name"]),
        ({"role": "a//b"}, ["--role a//b: is not a role's name"]),
        (
            {"name": "a\udcff", "workdir": "/b\udcff"},
            [
                "--name a\\udcff: is not UTF-8, and Mesos takes nothing else",
                "--workdir /b\\udcff: is not UTF-8, and Mesos takes nothing else",
            ],
        ),
        ({"principal": "me"}, ["--principal and --secret-file go together"]),
        (
            {"principal": "me", "secret_file": Path("/nonexistent/secret")},
            ["--secret-file /nonexistent/secret: cannot be read"],
        ),
        ({"output_dir": Path("/dev/null")}, ["--output-dir /dev/null: is not a directory"]),
        ({"events": Path("/dev/null/log")}, ["--events /dev/null: is not a directory"]),
        (
            {"is_labelled": True, "output_dir": Path("out")},
            ["--label and --output-dir exclude each other: a file has one rank"],
        ),
        (
            {"master": "zk://z1"},
            [
                "'zk://z1' is not a master: give HOST[:PORT], zk://HOST:PORT[,HOST:PORT...]/PATH, "
                "local or local:4x8"
            ],
        ),
    ],
)
def test_what_makes_no_sense_is_told(
    settings: Settings, changes: dict[str, Any], expected: list[str]
) -> None:
    """Each with its option and its value."""
    assert problems(settings, **changes) == expected


def test_a_program_need_not_be_text(settings: Settings) -> None:
    """Nor its arguments: mpiexec gets them as they are, and only the job's name is shown."""
    request = built(settings, program=("/no/where/a\udcff", "b\udcff"))
    assert request.mpi.program.words == ("/no/where/a\udcff", "b\udcff")
    assert request.name == "a\\udcff"


def test_all_problems_are_told_at_once(settings: Settings) -> None:
    """Nobody wants to learn of one at a time; the program is looked for last."""
    told = problems(
        settings, procs=3, cores=0.0, env=("NOPE",), principal="me", master="", program=("gone",)
    )
    assert [line.split()[0] for line in told] == ["-n", "-c", "-x", "--principal", "''"]


@pytest.mark.parametrize("role", ["*", "web", "eng/dev", "a.b", "a-b"])
def test_a_role_is_accepted(settings: Settings, role: str) -> None:
    """As Mesos names them, hierarchies included."""
    assert built(settings, role=role).role == role


def test_the_environment_is_what_was_asked_for(settings: Settings) -> None:
    """From here, given, empty, and with a '=' inside."""
    request = built(settings, env=("HOME", "A=b=c", "B=", "EMPTY"))
    assert request.mpi.program.env == {"HOME": "/home/me", "A": "b=c", "B": "", "EMPTY": ""}


@pytest.mark.parametrize(
    ("master", "expected"),
    [
        ("local", True),
        ("local:4x8", True),
        ("local:5050", False),
        ("localhost", False),
        ("local.example:5050", False),
    ],
)
def test_local_is_told_from_a_host(master: str, expected: bool) -> None:
    """`local:5050` is a host that is called so."""
    assert is_local(master) == expected


@pytest.mark.parametrize(
    ("master", "expected"),
    [
        ("local:4x8", None),
        ("local:5050", HostPort(host="local", port=5050)),
        ("zk://z:2181/mesos", ZooKeeper(hosts="z:2181", path="/mesos")),
    ],
)
def test_the_master_is_read(
    settings: Settings, master: str, expected: HostPort | ZooKeeper | None
) -> None:
    """None is a cluster of our own."""
    assert built(settings, master=master).master == expected


def test_the_secret_is_read(settings: Settings, tmp_path: Path) -> None:
    """Without the newline that every editor leaves."""
    (tmp_path / "secret").write_text("s3cret\n")
    request = built(settings, principal="me", secret_file=tmp_path / "secret")
    assert request.credentials == Credentials(principal="me", secret="s3cret")


def test_an_empty_secret_is_refused(settings: Settings, tmp_path: Path) -> None:
    """It would be sent, and refused by the master with less of a hint."""
    (tmp_path / "secret").write_text("\n")
    assert problems(settings, principal="me", secret_file=tmp_path / "secret") == [
        f"{tmp_path}/secret is empty; it must hold the secret"
    ]


# --- the program -----------------------------------------------------------------------


def test_a_name_is_looked_for_in_path(settings: Settings) -> None:
    """As a shell does."""
    assert find_program("hello", settings) == f"{settings.workdir}/bin/hello"


def test_a_relative_path_starts_here(settings: Settings) -> None:
    """Agents get it as an absolute one."""
    assert find_program("./hello", settings) == f"{settings.workdir}/hello"


def test_a_program_of_the_agents_is_left_to_them(settings: Settings) -> None:
    """Where its directory does not exist here, nothing can be said."""
    assert find_program("/nonexistent/bin/app", settings) == "/nonexistent/bin/app"


def _refused(program: str, settings: Settings) -> MrunkitError:
    with pytest.raises(MrunkitError) as raised:
        find_program(program, settings)
    return raised.value


def test_a_program_that_is_not_there_is_127(settings: Settings) -> None:
    """By name, by path, and by absolute path."""
    for program, message in (
        ("nope", "nope is not in PATH"),
        ("./nope", f"there is no program {settings.workdir}/nope"),
        (f"{settings.workdir}/nope", f"there is no program {settings.workdir}/nope"),
        ("", " is not in PATH"),
    ):
        error = _refused(program, settings)
        assert isinstance(error, ProgramNotFoundError)
        assert (str(error), error.exit_status) == (message, 127)


def test_a_program_in_this_directory_needs_its_dot(settings: Settings) -> None:
    """The mistake that everybody makes once is met with the way out."""
    Path(settings.workdir, "here").write_text("")
    assert _refused("here", settings).remedy == "did you mean ./here?"


def test_a_program_that_cannot_be_executed_is_126(settings: Settings) -> None:
    """A file without the permission, and a directory."""
    Path(settings.workdir, "plain").write_text("")
    plain, directory = _refused("./plain", settings), _refused("./bin", settings)
    assert isinstance(plain, ProgramNotExecutableError)
    assert str(plain) == f"{settings.workdir}/plain is not executable"
    assert plain.remedy == "try: chmod +x ./plain"
    assert str(directory) == f"{settings.workdir}/bin is a directory, not a program"
    assert [plain.exit_status, directory.exit_status] == [126, 126]


# --- containers -----------------------------------------------------------------------


def test_container_options_need_an_image(settings: Settings) -> None:
    """Without --image they would silently do nothing."""
    given = {"network": "mpi-network", "is_in_image": True, "user": "1:1", "shm_size": "2g"}
    found = problems(settings, volumes=("/a:/b",), **given)
    flags = ("--network", "--in-image", "--user", "--volume", "--shm-size")
    assert [f"{flag} goes with --image" for flag in flags] == found


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"volumes": ("data:/b",)},
            "--volume data:/b: must be /HOST:/CONTAINER or /HOST:/CONTAINER:ro",
        ),
        ({"user": "me"}, "--user me: must be UID or UID:GID, in numbers"),
        ({"shm_size": "lots"}, "--shm-size lots: must be a size such as 512m or 2g"),
        (
            {"docker_parameters": ("--rm",)},
            "--docker-parameter --rm: must be KEY=VALUE, without dashes",
        ),
        (
            {"mpiexec": "/usr/bin/mpiexec"},
            "--mpiexec is of no use with --image: the image's own is run",
        ),
        (
            {"network": "bridge"},
            "--network bridge: containers of different hosts do not reach each other",
        ),
    ],
)
def test_container_options_that_make_no_sense(
    settings: Settings, change: dict[str, Any], expected: str
) -> None:
    """Each is told with the form that it should have."""
    assert [expected] == problems(settings, image="mpi", **change)


def test_containers_belong_to_the_caller(settings: Settings) -> None:
    """What ranks write on the share is the user's own."""
    containers = built(settings, image="mpi").containers
    assert containers is not None
    assert (
        containers.user,
        containers.share,
        containers.is_all_here,
    ) == ("1000:1000", "/share", False)


def test_a_program_in_the_image_is_not_looked_for_here(settings: Settings) -> None:
    """Its path means something in the containers only."""
    request = built(settings, image="mpi", is_in_image=True, program=("/opt/x", "1"))
    assert request.mpi.program.words == ("/opt/x", "1")
