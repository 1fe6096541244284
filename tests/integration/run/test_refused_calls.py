"""A call that is not taken: one line says so, and nothing of the request is told to anybody."""

from __future__ import annotations

import re

import pytest
from client import HELLO, Mrunkit
from in_background import in_background
from refusing import Refusing
from served import Served


@pytest.mark.parametrize(
    ("status", "said", "expected"),
    [
        (
            "400 Bad Request",
            b"Failed to parse body into JSON: syntax error at line 1 near: REQUEST",
            "the master refused ACCEPT (HTTP 400): Failed to parse body into JSON:"
            " syntax error at line 1",
        ),
        ("403 Forbidden", b"not\nyou", "the master refused ACCEPT (HTTP 403): not you"),
        (
            "400 Bad Request",
            b"Framework cannot be found",
            "lost the master: the master refused ACCEPT (HTTP 400): Framework cannot be found",
        ),
        (
            "503 Service Unavailable",
            b"later",
            "lost the master: the master refused ACCEPT (HTTP 503): later",
        ),
        (
            "307 Temporary Redirect",
            b"",
            "lost the master: the master refused ACCEPT (HTTP 307)",
        ),
    ],
)
def test_a_call_that_is_refused_ends_the_job(
    mrunkit: Mrunkit, cluster: Served, status: str, said: bytes, expected: str
) -> None:
    """Without the request, which has the task's script and token; in its record as well."""
    with in_background(Refusing(cluster.port, status, said)) as proxy:
        job = mrunkit.start_run("-N", "1", proxy.address, HELLO)
        ended = job.wait()
        token = re.search(rb'"MRUNKIT_TOKEN", "value": "([^"]+)"', proxy.refused)
    assert token is not None
    told = [line for line in ended.stderr.splitlines() if not line.endswith("; trying again")]
    assert (ended.status, told.count(f"mrunkit: {expected}")) == (125, 1), ended
    assert [record["message"] for record in mrunkit.records()] == [expected]
    kept = [
        path.read_text()
        for path in (*mrunkit.state_dir.rglob("*"), job.events_file)
        if path.is_file()
    ]
    assert not any(token[1].decode() in text for text in [*kept, ended.stderr])


def test_not_even_the_log_has_the_token(mrunkit: Mrunkit, cluster: Served) -> None:
    """With -v, which tells the failure with its traceback."""
    with in_background(Refusing(cluster.port, "400 Bad Request", b"no")) as proxy:
        ended = mrunkit.start("run", "-v", "-N", "1", proxy.address, HELLO).wait()
        token = re.search(rb'"MRUNKIT_TOKEN", "value": "([^"]+)"', proxy.refused)
    assert token is not None
    assert "ACCEPT failed" in ended.stderr
    assert token[1].decode() not in ended.stderr
