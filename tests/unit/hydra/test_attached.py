"""Who is connected to mpiexec's control port."""

from __future__ import annotations

import contextlib
import socket
import sys

import pytest

from mrunkit.hydra.attached import connected_addresses, read_connected

# Recorded on a little-endian machine; port 0xA98B is 43403.
TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:A98B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1
   1: 0100007F:A98B 0B09000A:C350 01 00000000:00000000 00:00000000 00000000     0        0 2 1
   2: 0100007F:A98B 0C09000A:C351 01 00000000:00000000 00:00000000 00000000     0        0 3 1
   3: 0100007F:A98B 0D09000A:C352 06 00000000:00000000 00:00000000 00000000     0        0 0 3
   4: 0100007F:A98C 0E09000A:C353 01 00000000:00000000 00:00000000 00000000     0        0 5 1
   5: 0E09000A:C354 0100007F:A98B 01 00000000:00000000 00:00000000 00000000     0        0 6 1
"""
TABLE6 = """\
  sl  local_address                         remote_address                        st tx_queue
   0: 0000000000000000FFFF00000100007F:A98B 0000000000000000FFFF00000B09000A:C350 01 00000000
   1: 00000000000000000000000001000000:A98B 00000000000000000000000001000000:C351 01 00000000
"""

little_endian = pytest.mark.skipif(sys.byteorder != "little", reason="recorded on little-endian")


@little_endian
def test_only_established_connections_to_this_port_count() -> None:
    """Neither the listening socket, nor closed ones, nor the other ends."""
    assert connected_addresses(TABLE, 43403) == ("10.0.9.11", "10.0.9.12")


@little_endian
def test_ipv4_over_ipv6_is_ipv4() -> None:
    """mpiexec may listen on both with one socket."""
    assert connected_addresses(TABLE6, 43403) == ("10.0.9.11", "::1")


def test_a_real_connection_is_seen() -> None:
    """The kernel's own list, of this very moment."""
    with contextlib.ExitStack() as sockets:
        server = sockets.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = server.getsockname()[1]
        assert read_connected(port) == ()
        for source in ("127.0.1.1", "127.0.1.2"):
            sockets.enter_context(
                socket.create_connection(("127.0.0.1", port), source_address=(source, 0))
            )

        assert sorted(read_connected(port)) == ["127.0.1.1", "127.0.1.2"]
