"""Whose program is at the other end, by the kernel's own lists, as x86 prints them."""

from __future__ import annotations

import sys

import pytest

from mrunkit.local.peer import holder

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
