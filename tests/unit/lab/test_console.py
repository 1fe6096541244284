"""Consoles of hosts, made readable; the texts are systemd's own."""

from __future__ import annotations

from mrunkit.lab.console import inotify_obstacle, last_lines, remedy_for

CONSOLE = (
    "[[0;32m  OK  [0m] Finished [0;1;39msystemd-sysusers.service[0m - Create System Users.\r\n"
    "\r\n"
    "[0;1;31mFailed to create inotify object: Too many open files[0m\r\n"
).replace("[0", "\x1b[0")


def test_colours_and_empty_lines_are_left_out() -> None:
    """In a terminal they would colour what follows."""
    assert last_lines(CONSOLE).splitlines() == [
        "[  OK  ] Finished systemd-sysusers.service - Create System Users.",
        "Failed to create inotify object: Too many open files",
    ]


def test_only_the_last_lines_are_shown() -> None:
    """What was before is no use."""
    lines = last_lines("\n".join(f"line {number}" for number in range(100))).splitlines()
    assert (len(lines), lines[-1]) == (20, "line 99")


def test_a_console_that_tells_of_a_limit_gets_the_remedy() -> None:
    """With the command that raises it."""
    remedy = remedy_for(CONSOLE)
    assert remedy is not None
    assert "sysctl -w fs.inotify.max_user_instances=1024" in remedy
    assert remedy_for("Kernel panic") is None


def test_more_containers_than_the_kernel_allows_are_told_before() -> None:
    """Of ten inotify instances each."""
    assert inotify_obstacle(128, 12) is None
    obstacle = inotify_obstacle(128, 20)
    assert obstacle is not None
    assert "20 containers with systemd need about 200 inotify instances" in obstacle
