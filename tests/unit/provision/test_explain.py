"""Failures in plain words, from what real hosts gave: tests/data/ansible/failures.jsonl."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mrunkit.inventory import Host
from mrunkit.provision.apply import describe_failures, login
from mrunkit.provision.explain import explain
from mrunkit.provision.progress import Failure, Progress

RECORDED = Path(__file__).parents[2] / "data" / "ansible" / "failures.jsonl"
LOGIN = "ssh root@192.0.2.1"
INSTALLING = "python3 (process 107) is installing packages there"


def recorded() -> dict[str, Failure]:
    """A failure for each case."""
    cases = [json.loads(line) for line in RECORDED.read_text().splitlines()]
    return {
        case["case"]: Failure(
            host="host1",
            step="base",
            task=case["task"],
            action=case["action"],
            result=case["result"],
            is_unreachable=case["is_unreachable"],
        )
        for case in cases
    }


RESULTS = recorded()

EXPLAINED: dict[str, tuple[str | list[str], str | None]] = {
    "unknown-key": ("its host key is not known", f"compare the fingerprint: {LOGIN}"),
    "changed-key": (
        "its host key is not the one that is known",
        'ssh-keygen -f "/playbooks/wrong_known" -R "10.88.47.11"',
    ),
    "denied": ("nobody@10.88.47.11 takes none of our keys", "ssh-copy-id"),
    "no-key": ("there is no key /no/such/key here", "ansible_ssh_private_key_file"),
    "noname": ("nothing is known of the name no-such-host.invalid", "ansible_host="),
    "refused": ("nothing listens at 10.88.47.11 port 2222", "start sshd"),
    "timeout22": ("cannot reach 10.88.47.99 port 22: No route to host", "is it switched on"),
    "unarchive": ("there is no /no/such.tar.gz on this machine", "its path in the inventory"),
    "sudo-password": ("sudo wants a password", "allow it without one: NOPASSWD"),
    "no-python": ("it has no /usr/bin/python9", "install python3"),
    "apt-dns": ("it cannot reach its package repositories", "apt-get update"),
    "apt-lock": (INSTALLING, "let it end"),
    "apt-nolists": (INSTALLING, "let it end"),
    "apt-missing": ("there is no package no-such-package", "call it differently"),
    "url": ("it cannot download: Name or service not known", "proxy"),
    "checksum": (
        "what was downloaded has the checksum "
        "9ccdc39778d7cbb12e94d6b6f59a5874be371905601bd853704b4ad6a544dca2, not " + "0" * 64,
        "damaged",
    ),
    "copysrc": ("there is no /no/such/file on this machine", "its path"),
    "full": ("a disk is full", "df -h"),
    "service": ("service broken-e does not start", "journalctl -u broken-e"),
    "mount": ("its kernel has no NFS client", "kernel"),
    "undefined": ("a variable is not set: no_such_variable", "-e"),
    "nofile": ("there is no such program: no-such-program", "PATH"),
    "nolog": ("its output is hidden, for it may hold secrets", f"{LOGIN} journalctl"),
    "command": (
        ["sh -c 'echo out; echo one >&2; echo two >&2; exit 3' ended with status 3", "one", "two"],
        None,
    ),
    "loop": ("false ended with status 1", None),
    "retries": ("false ended with status 1", None),
    "assert": ("one is not two", None),
    "faillist": (["clock is 300 s off: start chronyd", "no nfsd"], None),
    "failmsg": (["host1: clock is 300 s off: start chronyd", "host1: no nfsd"], None),
    "waitport": ("Timeout when waiting for 127.0.0.1:5999", None),
    "noservice": ("Could not find the requested service nothing-like-it: host", None),
    "timeout": ("Timed out after 1 second(s).", None),
}


@pytest.mark.parametrize("case", EXPLAINED)
def test_a_failure_is_told_in_plain_words(case: str) -> None:
    """What failed, and what to do about it, where that can be known."""
    said, remedy = EXPLAINED[case]
    explained = explain(RESULTS[case], login=LOGIN)
    assert list(explained.lines) == ([said] if isinstance(said, str) else said)
    assert remedy is None or remedy in (explained.remedy or "")
    assert (remedy is None) == (explained.remedy is None)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        # What ansible-core 2.16 and dnf say; they could not be recorded here.
        ({"msg": "No package frobnicate available."}, "there is no package frobnicate"),
        (
            {
                "msg": "Failed to install some of the specified packages",
                "failures": ["No package frobnicate available."],
            },
            "there is no package frobnicate",
        ),
        (
            {"msg": "No package matching 'frobnicate' found available, installed or updated"},
            "there is no package frobnicate",
        ),
        (
            {
                "msg": "non-zero return code",
                "rc": 1,
                "stderr": "  - Curl error (6): Couldn't resolve host name for https://docker.example/"
                "9/repodata/repomd.xml [Could not resolve host: docker.example]\n"
                "Error: Failed to download metadata for repo 'mrunkit-docker': Cannot download",
            },
            "it cannot resolve docker.example",
        ),
        (
            {
                "msg": "non-zero return code",
                "rc": 1,
                "stderr": "failure: repodata/repomd.xml from mrunkit-docker: "
                "[Errno 256] No more mirrors to try.",
            },
            "it cannot reach its package repositories",
        ),
        (
            {"msg": "Failed to download metadata for repo 'appstream': Cannot prepare"},
            "it cannot reach its package repositories",
        ),
        (
            {
                "msg": "MODULE FAILURE",
                "rc": 127,
                "module_stderr": "/bin/sh: 1: /usr/bin/python3: not found\r\n",
            },
            "it has no /usr/bin/python3",
        ),
        (
            {"msg": "MODULE FAILURE", "rc": 1, "module_stderr": "sudo: a password is required\r\n"},
            "sudo wants a password",
        ),
        (
            {
                "msg": "Could not retrieve mirrorlist http://mirrorlist.centos.org/?release=7&"
                "arch=x86_64&repo=os&infra=stock error was\n14: curl#6 - "
                '"Could not resolve host: mirrorlist.centos.org; Unknown error"',
            },
            "CentOS 7 is retired: the servers that its package tool asks are gone",
        ),
        (
            {"msg": "Failure talking to yum: Cannot find a valid baseurl for repo: base/7/x86_64"},
            "CentOS 7 is retired: the servers that its package tool asks are gone",
        ),
        (
            {"msg": "E: Temporary failure resolving 'repository.example'"},
            "it cannot resolve repository.example",
        ),
        ({"msg": "mpi is not in the sudoers file."}, "mpi may not use sudo"),
        (
            {
                "msg": "Task failed: Finalization of task args for 'ansible.builtin.copy' failed: "
                "Error while resolving value for 'content': Error rendering template: Attempt to "
                "use undecryptable variable: Attempting to decrypt but no vault secrets found."
            },
            "variables are encrypted with ansible-vault",
        ),
        ({}, "it failed without a word"),
    ],
)
def test_other_versions_words_mean_the_same(said: dict[str, Any], expected: str) -> None:
    """From their source code and documentation."""
    failure = replace(RESULTS["command"], result=said)
    assert explain(failure, login=LOGIN).lines == (expected,)


def test_one_failure_of_many_hosts_is_told_once() -> None:
    """With where it was, and one remedy."""
    failures = tuple(replace(RESULTS["full"], host=f"host{number}") for number in range(7))
    lost = frozenset(failure.host for failure in failures)
    progress = Progress(steps=(), hosts=(), failures=failures, lost=lost)
    assert describe_failures(progress, {}) == [
        "host0, host1, host2, host3, host4 and 2 more: base: Write: a disk is full",
        "  make room: df -h, there",
    ]


def test_a_message_for_the_user_is_passed_on_as_it_is() -> None:
    """One of several lines was laid out by who wrote it; one line gets its host."""
    failures = (RESULTS["failmsg"], replace(RESULTS["assert"], host="host2"))
    progress = Progress(steps=(), hosts=(), failures=failures, lost=frozenset({"host1", "host2"}))
    assert describe_failures(progress, {}) == [
        "host1: clock is 300 s off: start chronyd",
        "host1: no nfsd",
        "host2: one is not two",
    ]


def test_words_for_the_user_are_not_taken_for_a_programs() -> None:
    """A playbook may speak of a full disk, with a remedy of its own."""
    said = "/share: No space left on device, so name another lab_share"
    failure = replace(RESULTS["assert"], result={"msg": said})
    assert explain(failure, login=LOGIN).lines == (said,)


def test_remedies_name_the_login_that_leads_to_the_host() -> None:
    """With all that the inventory says of it."""
    host = Host(name="host1", address="192.0.2.1", user="root", port=2222, key_file="/keys/lab")
    assert login(host) == "ssh -p 2222 -i /keys/lab root@192.0.2.1"
    failures = (RESULTS["unknown-key"],)
    progress = Progress(steps=(), hosts=(), failures=failures, lost=frozenset({"host1"}))
    assert describe_failures(progress, {"host1": host})[1].endswith(login(host))
