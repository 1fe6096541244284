"""What containers on different hosts are to each other, judged from what was seen."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from mrunkit.provision.doctor import overlay
from mrunkit.provision.doctor.overlay import Container, Experiment, Network, Pinged, Seen
from mrunkit.provision.doctor.verdicts import Problem
from mrunkit.ssh import Completed

HOSTS = ("a", "b", "c")
PATHS = overlay.paths_between(HOSTS)
ENCRYPTED = Network(
    driver="overlay", is_attachable=True, is_encrypted=True, subnets=("10.0.9.0/24",)
)
PLAIN = Network(driver="overlay", is_attachable=True, is_encrypted=False, subnets=("10.0.9.0/24",))


def experiment(
    *,
    network: Network = ENCRYPTED,
    lost: Iterable[overlay.Path] = (),
    too_large: Iterable[overlay.Path] = (),
    seen: dict[overlay.Path, Seen] | None = None,
) -> Experiment:
    """One in which all goes well, but for what is given."""
    pinged = {
        host: Pinged(
            mtu=1424,
            small=frozenset(b for b in HOSTS if b != host and (host, b) not in lost),
            full=frozenset(b for b in HOSTS if b != host and (host, b) not in {*lost, *too_large}),
        )
        for host in HOSTS
    }
    usual = Seen(esp=4) if network.is_encrypted else Seen(plain=4)
    return Experiment(
        network=network,
        paths=PATHS,
        pinged=pinged,
        seen={path: (seen or {}).get(path, usual) for path in PATHS},
    )


def judge(made: Experiment) -> dict[str, list[Problem]]:
    """The problems of all three checks."""
    return {
        "overlay": list(overlay.overlay_problems(made)),
        "encryption": list(overlay.encryption_problems(made, "net")),
        "mtu": list(overlay.mtu_problems(made)),
    }


def whats(problems: list[Problem]) -> list[tuple[str | None, str]]:
    """Host and text of each problem."""
    return [(problem.host, problem.what) for problem in problems]


def test_all_goes_well() -> None:
    """And it is told how much was seen."""
    made = experiment()
    assert judge(made) == {"overlay": [], "encryption": [], "mtu": []}
    assert overlay.encryption_seen(made) == "24 ESP packets on 6 paths, nothing of ours to read"
    assert overlay.mtu_seen(made) == "packets of 1424 bytes pass whole on 6 paths"


def test_few_hosts_try_all_paths_and_many_a_ring() -> None:
    """Both ways each, or the next one only."""
    assert overlay.paths_between(["a", "b"]) == (("a", "b"), ("b", "a"))
    many = [f"h{n}" for n in range(9)]
    ring = overlay.paths_between(many)
    assert len(ring) == 9
    assert ring[-1] == ("h8", "h0")


def test_one_plain_packet_of_ours_is_enough() -> None:
    """Also beside encrypted ones."""
    made = experiment(seen={("a", "b"): Seen(esp=9, plain=1)})
    assert whats(judge(made)["encryption"]) == [
        ("a", "what containers say to those on b can be read on the wire")
    ]


def test_packets_that_come_but_were_not_seen_are_no_proof() -> None:
    """They may take an interface that nobody looked at."""
    made = experiment(seen={("b", "c"): Seen()})
    assert whats(judge(made)["encryption"]) == [
        ("b", "packets get to c, but none was seen to leave encrypted")
    ]


def test_a_network_without_encryption_is_told_once() -> None:
    """However many paths there are; and the two others are fine."""
    problems = judge(experiment(network=PLAIN))
    assert whats(problems["encryption"]) == [
        (None, "net was created without encryption: 24 packets of ours could be read")
    ]
    assert (problems["overlay"], problems["mtu"]) == ([], [])


def test_where_nothing_passes_nothing_is_proven() -> None:
    """The cause is told by overlay; the others refer to it."""
    problems = judge(experiment(lost=PATHS, seen=dict.fromkeys(PATHS, Seen())))
    assert {name: whats(found) for name, found in problems.items()} == {
        "overlay": [(None, "no packet gets from a container to one on another host")],
        "encryption": [(None, "cannot be seen: no packet gets through")],
        "mtu": [(None, "cannot be seen: no packet gets through")],
    }
    assert "esp4" in problems["overlay"][0].remedy


def test_a_blocked_protocol_is_told_from_a_kernel_without_it() -> None:
    """By whether encrypted packets leave."""
    problems = judge(experiment(lost=PATHS, seen=dict.fromkeys(PATHS, Seen(esp=5))))
    assert "protocol 50" in problems["overlay"][0].remedy
    plain = judge(experiment(network=PLAIN, lost=PATHS, seen=dict.fromkeys(PATHS, Seen())))
    assert "UDP 4789" in plain["overlay"][0].remedy


def test_a_path_that_is_lost_is_proven_by_no_other() -> None:
    """Each of the three checks names it."""
    problems = judge(experiment(lost=[("a", "c")]))
    assert {name: whats(found) for name, found in problems.items()} == {
        "overlay": [("a", "containers do not reach those on c")],
        "encryption": [("a", "cannot be seen to c")],
        "mtu": [("a", "cannot be seen to c")],
    }


def test_a_host_without_a_container_is_not_proven_by_the_others() -> None:
    """Although all paths that were tried are fine."""
    problems = overlay.absent_problems(experiment(), [*HOSTS, "d"])
    assert whats(list(problems)) == [("d", "cannot be seen: no container")]


def test_large_packets_must_come_and_in_one_piece() -> None:
    """Pieces cost every large message its speed."""
    made = experiment(too_large=[("a", "b")], seen={("c", "a"): Seen(esp=6, fragments=2)})
    assert whats(judge(made)["mtu"]) == [
        ("a", "packets of 1424 bytes do not get to b"),
        ("c", "packets of 1424 bytes leave for a in pieces"),
    ]


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (None, ["the swarm has no network net"]),
        (ENCRYPTED, []),
        (
            Network(driver="bridge", is_attachable=False, is_encrypted=False, subnets=()),
            [
                "net is no attachable overlay, but bridge",
                "net has the subnet none, not 10.0.9.0/24",
            ],
        ),
    ],
)
def test_the_network_is_what_the_inventory_says(
    network: Network | None, expected: list[str]
) -> None:
    """Encryption is a check of its own."""
    problems = overlay.network_problems("net", network, subnet="10.0.9.0/24")
    assert [problem.what for problem in problems] == expected


@pytest.mark.parametrize(
    ("stderr", "what", "remedy"),
    [
        (
            "docker: Error response from daemon: No such image: nosuch:1.\n"
            "See 'docker run --help'.\n",
            "no container starts: No such image: nosuch:1.",
            "see image",
        ),
        (
            "docker: Error response from daemon: Could not attach to network mpi: rpc error: "
            "code = NotFound desc = network mpi not found.\n",
            "no container starts: Could not attach to network mpi: rpc error: "
            "code = NotFound desc = network mpi not found.",
            "does the host reach a manager (see swarm)? else see there what Docker says"
            " (journalctl -u docker), and try: systemctl restart docker",
        ),
        (
            "docker: Error response from daemon: failed to create shim task: OCI runtime create "
            'failed: exec: "sleep": executable file not found in $PATH: unknown.\n',
            "no container starts: failed to create shim task: OCI runtime create "
            'failed: exec: "sleep": executable file not found in $PATH: unknown.',
            "use an image that has sleep",
        ),
        (
            "docker: Error response from daemon: no available IPv4 addresses on this network's "
            "address pools: net (x7k2).\n",
            "no container starts: no available IPv4 addresses on this network's address pools: "
            "net (x7k2).",
            "all addresses of the network are taken: end what uses it, or give it more"
            " (lab_network_subnet): when no job uses it, on a manager: docker network rm NETWORK;"
            " then mrunkit bootstrap --tags swarm",
        ),
        (
            "docker: Error response from daemon: Could not attach to network net: context "
            "deadline exceeded.\n",
            "no container starts: Could not attach to network net: context deadline exceeded.",
            "does the host reach a manager (see swarm), and has the network an address left? else"
            " see there what Docker says (journalctl -u docker), and try: systemctl restart docker",
        ),
    ],
)
def test_a_container_that_does_not_start_says_why(stderr: str, what: str, remedy: str) -> None:
    """In Docker's words; 20.10 said these."""
    started = Completed(status=125, stdout="", stderr=stderr)
    where = Completed(status=1, stdout="\n", stderr="Error: No such object: x")
    assert overlay.parse_container(started, where) == Problem(what=what, remedy=remedy)


def test_a_container_is_where_docker_says() -> None:
    """Its process id, and its address on the overlay."""
    started = Completed(status=0, stdout="9f86d081884c\n", stderr="")
    where = Completed(status=0, stdout="4711 10.0.9.3\n", stderr="")
    assert overlay.parse_container(started, where) == Container(pid=4711, address="10.0.9.3")
    ended = Completed(status=0, stdout="0 \n", stderr="")
    assert isinstance(overlay.parse_container(started, ended), Problem)


def test_being_out_of_time_is_told_from_being_refused() -> None:
    """It is worth another try."""
    said = (
        "docker: Error response from daemon: attaching to network failed, make sure your network "
    )
    slow = said + "options are correct and check manager logs: context deadline exceeded.\n"
    assert overlay.is_out_of_time(Completed(status=125, stdout="", stderr=slow))
    refused = "docker: Error response from daemon: network mpi not found.\n"
    assert not overlay.is_out_of_time(Completed(status=125, stdout="", stderr=refused))
    assert not overlay.is_out_of_time(Completed(status=0, stdout="9f86d081884c\n", stderr=slow))


@pytest.mark.parametrize(("slow", "at_a_time"), [(1, 1), (3, 1), (4, 1), (5, 2), (500, 125)])
def test_slow_hosts_start_in_a_few_turns(slow: int, at_a_time: int) -> None:
    """Few hosts one by one, many not one by one: each may take 20 s."""
    assert overlay.starts_at_a_time(slow) == at_a_time
