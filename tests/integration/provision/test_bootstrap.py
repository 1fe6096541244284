"""`mrunkit bootstrap` whole: what it says, how it ends, and what it leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from conftest import PATIENCE, Checkout
from steps import (
    FAIL,
    FIND,
    NOTE,
    TOUCH,
    WAIT,
    WARN,
    are_asleep,
    processes_with,
    wait_for,
    write_sleep,
)

from mrunkit.inventory import VAULT_REMEDY
from mrunkit.provision.newcomers import LEARNING


def test_a_lab_is_made_and_the_second_run_changes_nothing(checkout: Checkout) -> None:
    """A line per step; the log and the addresses are kept for later, and nothing else."""
    checkout.write_playbooks(validate=FIND, base=TOUCH)
    first = checkout.bootstrap()
    assert first.returncode == 0, first.stderr
    steps = [line.rpartition(", ")[0] for line in first.stderr.splitlines()]
    assert steps == [
        "mrunkit: validate: 3 ok",
        "mrunkit: base: 3 changed",
        "mrunkit: 3 hosts, 3 changed",
    ]
    addresses = json.loads((checkout.state_dir / "addresses.json").read_text())
    assert addresses == {"host0": "10.1.0.0", "host1": "10.1.0.1", "host2": "10.1.0.2"}
    second = checkout.bootstrap()
    assert "mrunkit: 3 hosts, nothing changed, " in second.stderr
    log = Path(second.stderr.split("log: ")[1].strip())
    assert "TASK [Touch]" in log.read_text()
    assert log.parent == checkout.state_dir / "logs"
    assert oct(checkout.state_dir.stat().st_mode)[-3:] == "700"
    assert list(checkout.temporary.iterdir()) == []


def test_what_failed_is_told_with_its_hosts(checkout: Checkout) -> None:
    """Once for all hosts that share it, with what the command said, and where the log is."""
    checkout.write_playbooks(base=WARN + FAIL, nfs=TOUCH)
    ended = checkout.bootstrap()
    assert ended.returncode == 125
    lines = ended.stderr.splitlines()
    assert lines.pop(2) == "mrunkit: warning: host0, host1, host2: it is old"
    assert [line.rpartition(", ")[0] for line in lines[:2]] == [
        "mrunkit: base: 1 ok, 2 failed (host0, host2)",
        "mrunkit: nfs: 1 changed",
    ]
    command = "sh -c 'echo too many cooks >&2; exit 3'"
    assert lines[2:4] == [
        f"mrunkit: host0, host2: base: Start: {command} ended with status 3",
        "mrunkit: host0, host2: base: Start: too many cooks",
    ]
    assert (
        lines[4] == "mrunkit: the other hosts went on; when these 2 are mended: --limit host0,host2"
    )
    assert lines[5].startswith("mrunkit:   all that Ansible said: ")


def test_a_check_changes_nothing(checkout: Checkout) -> None:
    """It tells what would be changed."""
    checkout.write_playbooks(base=TOUCH)
    ended = checkout.bootstrap("--check")
    assert "mrunkit: base: 3 changed" in ended.stderr, ended.stderr
    assert list(checkout.inventory.parent.glob("*.touched")) == []


def test_limit_tags_and_variables_reach_ansible(checkout: Checkout) -> None:
    """A file of variables is one of the user's directory, not of the playbooks'."""
    (checkout.inventory.parent / "vars.yml").write_text("said: from a file\n")
    tell = '  - name: Tell\n    ansible.builtin.fail:\n      msg: "{{ said }}, {{ also }}"\n'
    checkout.write_playbooks(base=TOUCH, nfs=tell)
    ended = checkout.bootstrap(
        *("--limit", "agents:!host1", "--tags", "nfs", "-e", "@vars.yml", "-e", "also=this")
    )
    assert ended.returncode == 125
    assert "mrunkit: host2: nfs: Tell: from a file, this" not in ended.stderr
    assert "mrunkit: host2: from a file, this" in ended.stderr
    assert list(checkout.inventory.parent.glob("*.touched")) == []


def test_files_are_those_of_the_users_directory(checkout: Checkout) -> None:
    """Of a vault's password and of hosts: Ansible starts in the playbooks' directory."""
    lab = checkout.inventory.parent
    (lab / "password").write_text("secret\n")
    (lab / "limit").write_text("host1\n")
    (lab / "group_vars").mkdir()
    (lab / "group_vars" / "all.yml").write_text("said: from a vault\n")
    vault = Path(sys.executable).with_name("ansible-vault")
    words = ["encrypt", "--vault-password-file", "password", "group_vars/all.yml"]
    subprocess.run([vault, *words], cwd=lab, check=True, capture_output=True)
    tell = '  - name: Tell\n    ansible.builtin.fail:\n      msg: "{{ said }}"\n'
    checkout.write_playbooks(base=tell)
    words = ["bootstrap", "inventory.ini", "--no-doctor", "--tags", "base", "--limit", "@limit"]
    process = checkout.start(*words, ANSIBLE_VAULT_PASSWORD_FILE="password")
    _, stderr = process.communicate(timeout=PATIENCE)
    assert "mrunkit: host1: from a vault" in stderr


def test_of_a_new_host_the_others_learn_first(checkout: Checkout) -> None:
    """Then it alone goes through all steps; the next time, it is known."""
    write = dict.fromkeys(LEARNING, NOTE)
    checkout.write_playbooks(validate=FIND, docker=NOTE, **write)
    of_all = checkout.inventory.read_text()
    checkout.inventory.write_text(of_all.replace("host[1:2]", "host1"))
    refused = checkout.bootstrap("--limit", "host1")
    assert "mrunkit: --limit is for a lab that was made whole once, " in refused.stderr
    assert checkout.bootstrap().returncode == 0
    checkout.inventory.write_text(of_all)

    before = checkout.notes()
    ended = checkout.bootstrap("--limit", "host2", "--check")
    assert ended.returncode == 0, ended.stderr
    assert checkout.notes() == before
    ended = checkout.bootstrap("--limit", "host2")
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.startswith("mrunkit: first all hosts learn of those that are new\n")
    learned = [f"{host} {step}" for step in LEARNING for host in ("host0", "host1", "host2")]
    joined = [f"host2 {step}" for step in ("docker", *LEARNING)]
    assert sorted(checkout.notes()) == sorted([*before, *learned, *joined])

    before = checkout.notes()
    assert checkout.bootstrap("--limit", "host2").returncode == 0
    assert sorted(checkout.notes()) == sorted([*before, *joined])


@pytest.mark.parametrize("is_whole_file", [True, False], ids=["file", "variable"])
def test_a_vault_of_which_only_the_users_configuration_has_the_password(
    checkout: Checkout, is_whole_file: bool
) -> None:
    """The playbooks have their own ansible.cfg; what helps is said."""
    lab = checkout.inventory.parent
    (lab / "password").write_text("secret\n")
    (lab / "ansible.cfg").write_text("[defaults]\nvault_password_file = password\n")
    vault = Path(sys.executable).with_name("ansible-vault")
    words = ["encrypt"] if is_whole_file else ["encrypt_string", "from a vault", "--name", "said"]
    encrypted = subprocess.run(
        [vault, *words],
        input="said: from a vault\n",
        cwd=lab,
        check=True,
        capture_output=True,
        text=True,
    )
    (lab / "group_vars").mkdir()
    (lab / "group_vars" / "all.yml").write_text(encrypted.stdout)
    tell = '  - name: Tell\n    ansible.builtin.debug:\n      msg: "{{ said }}"\n'
    checkout.write_playbooks(base=tell)
    ended = checkout.bootstrap()
    assert ended.returncode == 125
    told = f"variables are encrypted with ansible-vault\nmrunkit:   {VAULT_REMEDY}\n"
    assert told in ended.stderr


def test_what_ansible_refuses_is_told(checkout: Checkout) -> None:
    """In its own words, for nothing has been done on any host."""
    checkout.write_playbooks(base="  - name: Wrong\n    no.such.module: {}\n")
    ended = checkout.bootstrap()
    assert ended.returncode == 125
    assert "couldn't resolve module/action 'no.such.module'" in ended.stderr


def test_a_limit_that_matches_nothing_is_told(checkout: Checkout) -> None:
    """In words of ours, with what could be meant; nothing has been done yet."""
    checkout.write_playbooks(base=TOUCH)
    ended = checkout.bootstrap("--limit", "agents:&masters")
    assert ended.returncode == 125
    assert not checkout.state_dir.exists()
    assert ended.stderr.splitlines()[:2] == [
        "mrunkit: inventory inventory.ini has no host that matches agents:&masters",
        "mrunkit:   name hosts or groups of it, as Ansible's patterns do: agents, host1:host2, "
        "all:!host3",
    ]


def test_a_wrong_inventory_is_told_before_ansible_starts(checkout: Checkout) -> None:
    """All of it at once."""
    checkout.write_playbooks(base=TOUCH)
    checkout.inventory.write_text("[masters]\na\nb\n[all:vars]\nlab_shar=/x\n")
    ended = checkout.bootstrap()
    assert ended.returncode == 125
    assert len(ended.stderr.splitlines()) == 3
    assert not checkout.state_dir.exists()


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_ansible_and_all_that_it_started(
    checkout: Checkout, number: signal.Signals, status: int
) -> None:
    """Also what its workers run at that moment; the lab can be worked on again at once."""
    mark = write_sleep(checkout)
    process = checkout.start("bootstrap", "inventory.ini", "--no-doctor")
    wait_for(lambda: are_asleep(mark), process)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == status, stderr
    assert "mrunkit: interrupted; to go on, run it again" in stderr
    assert processes_with(mark) == []
    assert list(checkout.temporary.iterdir()) == []
    checkout.write_playbooks(base=TOUCH)
    assert checkout.bootstrap().returncode == 0


def test_what_a_killed_run_left_is_ended_by_the_next(checkout: Checkout) -> None:
    """Ansible would go on beside it."""
    mark = write_sleep(checkout)
    process = checkout.start("bootstrap", "inventory.ini", "--no-doctor")
    wait_for(lambda: are_asleep(mark), process)
    process.kill()
    process.communicate(timeout=PATIENCE)
    assert are_asleep(mark)
    checkout.write_playbooks(base=TOUCH)
    ended = checkout.bootstrap()
    assert ended.returncode == 0, ended.stderr
    told = f"ended what a mrunkit that was killed (process {process.pid}) had left"
    assert ended.stderr.startswith(f"mrunkit: {told}\n")
    assert processes_with(mark) == []
    assert list(checkout.temporary.iterdir()) == []


def test_the_terminal_goes_away(checkout: Checkout) -> None:
    """Of that the shell tells, and the kernel as well, while nothing can be said any more."""
    mark = write_sleep(checkout)
    ours, theirs = os.openpty()
    process = checkout.start("bootstrap", "inventory.ini", "--no-doctor", stderr=theirs)
    os.close(theirs)
    wait_for(lambda: are_asleep(mark), process)
    os.close(ours)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGHUP)
    assert process.wait(PATIENCE) == 129
    assert processes_with(mark) == []
    assert list(checkout.temporary.iterdir()) == []


def test_nohup_is_heeded(checkout: Checkout) -> None:
    """A bootstrap goes on when the terminal is closed in which it was started with nohup."""
    checkout.write_playbooks(base=WAIT)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does, for its children
    try:
        process = checkout.start("bootstrap", "inventory.ini", "--no-doctor")
    finally:
        signal.signal(signal.SIGHUP, before)
    wait_for(lambda: list(checkout.state_dir.glob("logs/*")), process)
    process.send_signal(signal.SIGHUP)
    (checkout.inventory.parent / "go").touch()
    assert process.wait(PATIENCE) == 0


def test_one_lab_is_worked_on_by_one_mrunkit(checkout: Checkout) -> None:
    """The second says which process is at work."""
    checkout.write_playbooks(base=WAIT)
    first = checkout.start("bootstrap", "inventory.ini", "--no-doctor")
    wait_for(lambda: list(checkout.state_dir.glob("logs/*")), first)
    second = checkout.bootstrap()
    assert second.returncode == 125
    assert f"another mrunkit (process {first.pid}) is at work on this lab" in second.stderr
    (checkout.inventory.parent / "go").touch()
    assert first.wait(PATIENCE) == 0


def test_init_writes_an_inventory_once(checkout: Checkout) -> None:
    """The second time it may hold somebody's work."""
    checkout.write_playbooks(base=TOUCH)
    first = checkout.run("init", "new")
    assert (first.returncode, first.stderr) == (0, "")
    assert "mrunkit bootstrap new/inventory.ini" in first.stdout
    spaced = checkout.run("init", "my lab")
    assert "mrunkit bootstrap 'my lab/inventory.ini'" in spaced.stdout
    second = checkout.run("init", "new")
    assert second.returncode == 2
    assert second.stderr.startswith("mrunkit: there is new/inventory.ini already")


def test_teardown_does_not_start_unasked(checkout: Checkout) -> None:
    """Nobody can be asked in a script, so that has to say --yes."""
    checkout.write_playbooks()
    checkout.write_playbook("teardown", TOUCH)
    ended = checkout.run("teardown", "inventory.ini")
    assert ended.returncode == 2
    assert "give --yes" in ended.stderr
    assert list(checkout.inventory.parent.glob("*.touched")) == []


def test_teardown_that_is_interrupted_while_it_asks(checkout: Checkout) -> None:
    """Ctrl-C has the exit status that it has everywhere, not that of a no."""
    checkout.write_playbooks()
    checkout.write_playbook("teardown", TOUCH)
    ours, theirs = os.openpty()
    process = checkout.start("teardown", "inventory.ini", stdin=theirs)
    os.close(theirs)
    assert process.stderr is not None
    asked = ""
    while not asked.endswith(":"):
        letter = process.stderr.read(1)
        assert letter, asked
        asked += letter
    assert asked.startswith("Take the lab out of 3 hosts")
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 130
    os.close(ours)
    assert list(checkout.inventory.parent.glob("*.touched")) == []


@pytest.mark.parametrize(
    ("command", "words", "told"),
    [
        ("teardown", ("--yes", "--limit", ""), "--limit: names no host"),
        ("bootstrap", ("--limit", " "), "--limit: names no host"),
        ("bootstrap", ("--tags", ""), "--tags: names no step"),
        ("bootstrap", ("--tags", "base,dokcer"), "--tags dokcer: there is no such step"),
        ("bootstrap", ("-e", "lab_user"), "-e lab_user: sets nothing"),
        ("teardown", ("-e", "@vars.yml"), "-e @vars.yml: there is no file vars.yml"),
    ],
)
def test_what_names_nothing_is_not_taken_for_all(
    checkout: Checkout, command: str, words: tuple[str, ...], told: str
) -> None:
    """A variable of the shell that is not set must not take the whole lab out."""
    checkout.write_playbooks(base=TOUCH)
    checkout.write_playbook("teardown", TOUCH)
    ended = checkout.run(command, "inventory.ini", *words)
    assert ended.returncode == 2
    assert told in ended.stderr
    assert list(checkout.inventory.parent.glob("*.touched")) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "keeps the share: True"),
        (("--remove-share",), "keeps the share: False"),
        (("--limit", "host2"), "removes host2"),
    ],
)
def test_teardown_takes_out_what_it_is_told_to(
    checkout: Checkout, words: tuple[str, ...], told: str
) -> None:
    """The whole lab, its files as well, or some hosts only, which another playbook drains."""
    share = "{{ not teardown_remove_share | default(false) }}"
    tell = '  - name: Tell\n    ansible.builtin.debug:\n      msg: "{}"\n'
    checkout.write_playbooks()
    checkout.write_playbook("teardown", tell.format(f"keeps the share: {share}"))
    checkout.write_playbook("remove-host", tell.format("removes {{ inventory_hostname }}"))
    ended = checkout.run("teardown", "inventory.ini", "--yes", *words)
    assert ended.returncode == 0, ended.stderr
    (log,) = (checkout.state_dir / "logs").iterdir()
    assert told in log.read_text()
