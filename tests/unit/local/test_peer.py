"""Whose program is at the other end, by what the kernel answers and lists, as recorded on x86."""

from __future__ import annotations

import sys

import pytest

from mrunkit.local.peer import answered_holder, holder, question

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid ..."
HERE, THERE = ("127.0.0.1", 5050), ("127.0.0.1", 40000)
TCP = f"""{HEAD}
   0: 0100007F:13BA 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 11
   1: 0100007F:13BA 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000        0 12
   2: 0100007F:9C40 0100007F:13BA 01 00000000:00000000 00:00000000 00000000  1234        0 13
   3: 0100007F:9C41 0100007F:13BA 04 00000000:00000001 01:00000014 00000000     0        0 0
"""
TCP6 = f"""{HEAD}
   0: 0000000000000000FFFF00000100007F:9C42 0000000000000000FFFF00000100007F:13BA 01 \
00000000:00000000 00:00000000 00000000  1235        0 14
"""

ANSWERS = {
    "open, of 1234": "7c00000014000000000000004a140000"
    "020100009c4013ba7f0000010000000000000000000000007f0000010000000000000000000000000000000010000000"
    "00000000000000000000000000000000d2040000049f0100050008000000000008000f00000000000c00150001000000"
    "000000000600160052000000",
    "closed with a byte to be sent": "7c00000014000000000000004a140000"
    "020401009c4013ba7f0000010000000000000000000000007f0000010000000000000000000000000000000010000000"
    "00000000cc0000000000000001000000d204000000000000050008000300000008000f00000000000c00150001000000"
    "000000000600160052000000",
    "no such socket": "5c00000002000000000000004a140000"
    "feffffff4800000014000100000000000000000002060000ffffffff9c4913ba7f000001000000000000000000000000"
    "7f00000100000000000000000000000000000000ffffffffffffffff",
}

pytestmark = pytest.mark.skipif(sys.byteorder != "little", reason="the lists are in host order")


def test_the_account_is_that_of_the_others_socket() -> None:
    """Not that of our own end of the connection, nor of who listens."""
    assert holder(TCP, of=THERE, to=HERE) == 1234


def test_ipv6_sockets_have_ipv4_connections() -> None:
    """As Java's have."""
    assert holder(TCP6, of=("127.0.0.1", 40002), to=HERE) == 1235


@pytest.mark.parametrize("port", [40001, 40003])
def test_a_closed_socket_is_nobodys(port: int) -> None:
    """Whose data are still on the way is listed as root's."""
    assert holder(TCP, of=("127.0.0.1", port), to=HERE) is None


def test_the_kernel_is_asked_about_the_others_socket() -> None:
    """The question comes back, behind their own head, in the answers that are errors."""
    asked = bytes.fromhex(ANSWERS["no such socket"])[36:]
    assert question(of=("127.0.0.1", 40009), to=HERE)[16:] == asked


@pytest.mark.parametrize(
    ("answer", "uid"),
    [("open, of 1234", 1234), ("closed with a byte to be sent", None), ("no such socket", None)],
)
def test_the_kernel_answers_with_the_holders_account(answer: str, uid: int | None) -> None:
    """Of a socket that nobody has open any more, it is nobody's."""
    assert answered_holder(bytes.fromhex(ANSWERS[answer])) == uid
