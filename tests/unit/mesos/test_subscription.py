"""What is made of a call that was not taken."""

from __future__ import annotations

import pytest

from mrunkit.mesos.address import HostPort, MasterUnreachableError
from mrunkit.mesos.operator import MasterRefusedError
from mrunkit.mesos.subscription import explain_refusal

MASTER = HostPort(host="host0", port=5050)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        (
            "Failed to send request 400: b'no\\n\\tsuch offer'",
            MasterRefusedError,
            "the master refused ACCEPT (HTTP 400): no such offer",
        ),
        (
            "Failed to send request 401: b''",
            MasterRefusedError,
            "the master refused ACCEPT (HTTP 401)",
        ),
        (
            "Failed to send request 403: b\"'it' \\xff\"",
            MasterRefusedError,
            "the master refused ACCEPT (HTTP 403): 'it' \ufffd",
        ),
        (
            "Failed to send request 403: b'Framework is not subscribed'",
            MasterUnreachableError,
            "the master refused ACCEPT (HTTP 403): Framework is not subscribed",
        ),
        (
            f"Failed to send request 500: b'{'x' * 300}'",
            MasterUnreachableError,
            f"the master refused ACCEPT (HTTP 500): {'x' * 200}...",
        ),
        ("Not connected yet", MasterUnreachableError, "the call ACCEPT failed: Not connected yet"),
    ],
)
def test_a_refusal_is_one_line(text: str, kind: type[Exception], expected: str) -> None:
    """It ends the job if another try would have the same answer."""
    error = explain_refusal(MASTER, "ACCEPT", text)
    assert (type(error), str(error)) == (kind, expected)


def test_who_is_not_known_is_told_what_to_do() -> None:
    """As when subscribing."""
    error = explain_refusal(MASTER, "KILL", "Failed to send request 401: b''")
    assert error.remedy == "give the right --principal and --secret-file"
