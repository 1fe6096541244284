"""The table of a playbook's progress on terminals of all sizes."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console
from rich.text import Text

from mrunkit.cli.progress import TableWatcher
from mrunkit.provision.apply import read_steps
from mrunkit.provision.packaged import playbooks_directory
from mrunkit.provision.progress import Progress, Status
from mrunkit.provision.table import table

SITE = read_steps(playbooks_directory() / "site.yml")


def site(*hosts: str) -> Progress:
    """A run of the lab's own steps, of which image goes on; the last host failed in nfs."""
    changed, failed = dict.fromkeys(hosts, Status.CHANGED), {hosts[-1]: Status.FAILED}
    over = ("validate", "base", "ssh", "nfs", "mpich", "docker", "swarm", "mesos")
    return Progress(
        steps=SITE,
        hosts=hosts,
        cells={
            **dict.fromkeys(over, dict.fromkeys(hosts, Status.CHANGED)),
            "validate": dict.fromkeys(hosts, Status.OK),
            "nfs": changed | failed,
            "image": dict.fromkeys(hosts[:-1], Status.RUNNING),
        },
        seconds=dict.fromkeys(over, 1.0),
    )


def test_a_wide_terminal_has_whole_words() -> None:
    """Those of 120 columns, for hosts with whole names."""
    name = "host2.cluster.example"
    shown = table(site("host0", "host1", name), width=120, height=20)
    assert shown.heading == ("host", *SITE)
    assert shown.rows[2].label == name
    assert shown.rows[2].cells[:5] == ("ok", "changed", "changed", "failed", "changed")


def test_a_terminal_of_80_columns_has_short_words() -> None:
    """The hosts keep their whole names."""
    shown = table(site("host0", "host1", "storage01"), width=80, height=20)
    assert shown.heading == ("host", *SITE)
    assert shown.rows[2].label == "storage01"
    assert shown.rows[2].cells[:5] == ("ok", "chg", "chg", "err", "chg")
    assert shown.rows[0].cells[8] == "run"


@pytest.mark.parametrize("width", [40, 80])
def test_what_is_too_narrow_for_names_has_a_row_per_step(width: int) -> None:
    """Which names the hosts that failed, as far as there is room."""
    shown = table(site("host0", "host1", "host2.cluster.example"), width=width, height=20)
    assert shown.heading == ()
    assert [row.label for row in shown.rows] == list(SITE)
    told = "2 changed, 1 failed (host2.cluster.example)"
    assert shown.rows[2].cells == ("3 changed",)
    assert shown.rows[3].cells == (told if width == 80 else f"{told[:28]}…",)
    assert shown.rows[8].cells == ("2 running",)
    assert shown.rows[9].cells == ("",)


def test_a_small_terminal_has_the_steps_that_go_on() -> None:
    """With those before it."""
    shown = table(site("host0", "host1", "host2"), width=40, height=3)
    assert [row.label for row in shown.rows] == ["swarm", "mesos", "image"]


@pytest.mark.parametrize(("narrower", "word"), [(0, "running"), (1, "run")])
def test_the_words_do_not_change_in_the_middle_of_a_run(narrower: int, word: str) -> None:
    """Whether there will be room for them decides."""
    hosts = ("host0", "host1")
    running = {"validate": dict.fromkeys(hosts, Status.RUNNING)}
    widest = len(" ".join(["host0", *(step.ljust(len("changed")) for step in SITE)]))
    begun = Progress(steps=SITE, hosts=hosts, cells=running)
    assert table(begun, width=widest - narrower, height=9).rows[0].cells[0] == word
    assert table(site(*hosts), width=widest - narrower, height=9).rows[0].cells[8] == word


def test_counts_fit_into_80_columns() -> None:
    """Also the word for hosts that cannot be reached."""
    hosts = tuple(f"host{number}" for number in range(50))
    progress = Progress(
        steps=SITE, hosts=hosts, cells={"base": dict.fromkeys(hosts, Status.UNREACHABLE)}
    )
    assert [row.label for row in table(progress, width=80, height=20).rows] == ["pending", "off"]


@pytest.mark.parametrize("width", [20, 40, 80, 97, 120])
@pytest.mark.parametrize("height", [1, 3, 10, 30])
def test_what_is_shown_fits_the_terminal(width: int, height: int) -> None:
    """As rich lays it out, with nothing cut off that the table has."""
    progress = site("host0", "storage01", "host2.cluster.example")
    console = Console(file=StringIO(), width=width, height=height + 4, force_terminal=True)
    watcher = TableWatcher(console)
    watcher.advanced(progress)
    shown = table(progress, width=width, height=height)
    with console.capture() as captured:
        console.print(watcher.render())
    lines = [line.rstrip() for line in Text.from_ansi(captured.get()).plain.splitlines()]
    assert len(lines) == bool(shown.heading) + len(shown.rows) + 1  # the task's
    assert max(map(len, lines)) <= width
    for row in shown.rows:
        assert any(all(cell in line for cell in (row.label, *row.cells)) for line in lines)
