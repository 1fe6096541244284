"""What the containers of a job are: how far they are confined, and which files they see."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mrunkit.containers.limits import limits_here

if TYPE_CHECKING:
    from client import Ended
    from job_containers import ContainerRuns

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


def in_shell(mrunkit: ContainerRuns, script: str, *options: str) -> Ended:
    """What a rank's shell says."""
    return mrunkit.run_in(*options, "--in-image", "local", "/bin/sh", "-c", script)


def test_ranks_are_the_user_who_submits(mrunkit: ContainerRuns) -> None:
    """Not root, unless that is who submits; so are files that they write."""
    ended = in_shell(mrunkit, "echo $(id -u):$(id -g)")
    assert (ended.status, ended.stdout) == (0, f"{os.getuid()}:{os.getgid()}\n"), ended


def test_ranks_are_whom_user_names(mrunkit: ContainerRuns) -> None:
    """--user takes numbers; the program, staged for the job, can be read and run by them."""
    client = mrunkit.start_in("--user", "1234:4321", "-N", "2", "local", mrunkit.program("forever"))
    client.until_said("is pid", 2)
    owners = set()
    for described in mrunkit.described():
        top = mrunkit.docker("top", described["Id"], "-eo", "pid,uid,gid,args").stdout
        owners |= {tuple(line.split()[1:3]) for line in top.splitlines() if "forever" in line}
    assert owners == {("1234", "4321")}


def test_ranks_have_no_capabilities_and_get_none(mrunkit: ContainerRuns) -> None:
    """Whatever program they run, setuid ones included."""
    ended = in_shell(mrunkit, "grep -E '^(Cap|NoNewPrivs)' /proc/self/status")
    assert dict(line.split(":\t") for line in ended.lines) == {
        **{f"Cap{kind}": "0" * 16 for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")},
        "NoNewPrivs": "1",
    }


def test_what_was_asked_for_is_the_limit(mrunkit: ContainerRuns) -> None:
    """Cpus and memory of a node's ranks together, no swap, and the size of /dev/shm."""
    words = ("-n", "2", "-c", "0.5", "-m", "96", "--shm-size", "64m", "local:1x4")
    client = mrunkit.start_in(*words, mrunkit.program("forever"))
    client.until_said("is pid", 2)
    [task] = [it["HostConfig"] for it in mrunkit.described()]
    assert {
        "cpus": task["CpuQuota"] / task["CpuPeriod"],
        "memory": task["Memory"],
        "memory and swap": task["MemorySwap"],
        "shm": task["ShmSize"],
    } == {"cpus": 1.0, "memory": 192 << 20, "memory and swap": 192 << 20, "shm": 64 << 20}
    limits = limits_here()
    assert {(it["Name"], it["Soft"], it["Hard"]) for it in task["Ulimits"]} == {
        ("memlock", limits.memlock, limits.memlock),
        ("nofile", limits.nofile, limits.nofile),
    }


def test_all_containers_of_a_job_are_confined_and_labelled(mrunkit: ContainerRuns) -> None:
    """mpiexec's too: no capability, nothing privileged, an init, and whose job it is."""
    client = mrunkit.start_in("-N", "2", "local", mrunkit.program("forever"))
    client.until_said("is pid", 2)
    containers = mrunkit.described("task") + mrunkit.described("mpiexec")
    assert [it["Config"]["Labels"]["mrunkit.job"] for it in containers] == [client.job_id] * 3
    for host in [it["HostConfig"] for it in containers]:
        assert host["CapDrop"] == ["ALL"]
        assert host["SecurityOpt"] == ["no-new-privileges"]
        assert (host["Privileged"], host["Init"]) == (False, True)


def test_the_program_is_staged_and_removed(mrunkit: ContainerRuns, tmp_path: Path) -> None:
    """In a directory of the job's own, which is where the ranks are."""
    share = tmp_path / "share"
    share.mkdir()
    client = mrunkit.start_in("--share", str(share), "-N", "2", "local", mrunkit.program("forever"))
    client.until_said("is pid", 2)
    staged = share / f".mrunkit-job-{client.job_id}"
    assert sorted(it.name for it in staged.iterdir()) == [".client", "forever"]
    [task, _] = mrunkit.described()
    ranks = mrunkit.docker("exec", task["Id"], "sh", "-c", "pwd -P </dev/null; ls -a /share")
    assert client.job_id in ranks.stdout
    client.signal(2)
    assert client.wait().status == 130
    assert list(share.glob(".mrunkit*")) == []


def test_a_program_on_the_share_is_not_copied(mrunkit: ContainerRuns, tmp_path: Path) -> None:
    """The ranks run it where it is; its directory is theirs if the job is started there."""
    share = mrunkit.work
    shutil.copy(mrunkit.program("exit_code"), share / "mine")
    ended = mrunkit.run_in("--share", str(share), "local", "./mine", "7")
    assert ended.status == 7, ended
    assert [it.name for it in share.iterdir()] == ["mine"]


def test_the_working_directory_is_on_the_share(mrunkit: ContainerRuns) -> None:
    """Where the user is, if the share has it; what ranks write there is here."""
    below = mrunkit.work / "below"
    below.mkdir()
    words = ("--share", str(mrunkit.work), "--workdir", str(below))
    ended = in_shell(mrunkit, "pwd; echo done >written", *words)
    assert (ended.status, ended.stdout) == (0, "/share/below\n"), ended
    assert (below / "written").read_text() == "done\n"


def test_volumes_are_mounted(mrunkit: ContainerRuns, tmp_path: Path) -> None:
    """As `docker run` does it, read-only too."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "input").write_text("42\n")
    ended = in_shell(mrunkit, "cat /data/input; touch /data/output", "--volume", f"{data}:/data:ro")
    assert ended.stdout == "42\n", ended
    assert "Read-only file system" in ended.stderr


def test_other_options_of_docker_pass_through(mrunkit: ContainerRuns) -> None:
    """--docker-parameter KEY=VALUE."""
    words = ("--docker-parameter", "env=FROM=docker", "--docker-parameter", "label=a=b")
    client = mrunkit.start_in(*words, "local", mrunkit.program("forever"))
    client.until_said("is pid", 1)
    [task] = mrunkit.described()
    assert task["Config"]["Labels"]["a"] == "b", json.dumps(task["Config"])
    assert "FROM=docker" in task["Config"]["Env"]
