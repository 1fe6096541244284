"""`mrunkit image distribute` over real ssh, to hosts with the real docker and with a stub."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
from command import Mrunkit
from hosts import SSHD, SshHost, make_key, sshd

from mrunkit.containers.images import inspect_image, shipped_name

pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        SSHD is None or shutil.which("ssh-keygen") is None,
        reason="no sshd on this machine: apt-get install openssh-server",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """The command with a home of its own, and the hosts that it can reach."""

    mrunkit: Mrunkit
    home: Path
    start: Callable[..., SshHost]

    @property
    def known_hosts(self) -> Path:
        """The file of the keys that are trusted."""
        return self.home / ".ssh" / "known_hosts"

    def inventory(self, *lines: str) -> str:
        """Write an inventory with these lines; all hosts take the same key."""
        path = self.home / "inventory.ini"
        head = f"[all:vars]\nansible_ssh_private_key_file={self.home}/key\n[agents]\n"
        path.write_text(head + "".join(f"{line}\n" for line in lines))
        return str(path)


@pytest.fixture
def client(tmp_path: Path, engine: docker.DockerClient) -> Iterator[Client]:
    """A user who trusts each host that is started, unless told otherwise."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "known_hosts").touch()
    make_key(home / "key")
    # paramiko finds the home by HOME; no agent's keys may help.
    variables = {"HOME": str(home), "SSH_AUTH_SOCK": ""}
    with ExitStack() as running:

        def start(name: str, *, has_stub: bool, is_known: bool = True) -> SshHost:
            directory = tmp_path / name
            host = running.enter_context(sshd(name, directory, home / "key.pub", has_stub=has_stub))
            if is_known:
                with client.known_hosts.open("a") as known:
                    known.write(host.known_host)
            return host

        mrunkit = Mrunkit(work=tmp_path, variables=variables)
        client = Client(mrunkit=mrunkit, home=home, start=start)
        yield client


def outcomes(printed: str) -> dict[str, str]:
    """Each host's outcome, from --json."""
    return {entry["host"]: entry["outcome"] for entry in json.loads(printed)}


def test_hosts_that_have_the_image_are_skipped(client: Client, small_image: str) -> None:
    """Two hosts whose docker is this machine's own engine: the image's id is there."""
    hosts = [client.start(name, has_stub=False) for name in ("one", "two")]
    inventory = client.inventory(*(host.line for host in hosts))
    ended = client.mrunkit("image", "distribute", inventory, small_image)
    assert (ended.returncode, ended.stdout.splitlines()) == (
        0,
        ["HOST  IMAGE    MESSAGE", "one   present", "two   present"],
    )


def test_a_distributed_image_is_asked_for_by_what_hosts_know(
    client: Client, small_image: str, engine: docker.DockerClient
) -> None:
    """By a tag for this content; it is not shown, since nobody need type it."""
    host = client.start("one", has_stub=True)
    assert inspect_image(engine, small_image).pinned == small_image
    client.mrunkit("image", "distribute", client.inventory(host.line), small_image)
    image_id = engine.images.get(small_image).id
    info = inspect_image(engine, small_image)
    assert (info.pinned, info.tags) == (shipped_name(small_image, image_id), (small_image,))


def test_an_image_that_no_host_took_is_not_taken_for_distributed(
    client: Client, small_image: str, engine: docker.DockerClient
) -> None:
    """Hosts may pull it later, if there is a registry."""
    inventory = client.inventory("absent ansible_host=127.0.0.1 ansible_port=1")
    assert client.mrunkit("image", "distribute", inventory, small_image).returncode == 125
    assert inspect_image(engine, small_image).pinned == small_image


def test_hosts_without_the_image_are_fed_all_of_it(
    client: Client, small_image: str, engine: docker.DockerClient
) -> None:
    """What `docker load` gets there is what `docker save` made here, name included."""
    hosts = [client.start(name, has_stub=True) for name in ("one", "two", "three")]
    inventory = client.inventory(*(host.line for host in hosts))
    ended = client.mrunkit(
        *("image", "distribute", inventory, small_image, "--parallel", "2", "--json")
    )
    assert (ended.returncode, outcomes(ended.stdout)) == (
        0,
        {"one": "loaded", "two": "loaded", "three": "loaded"},
    )
    assert "mrunkit: two: loading\n" in ended.stderr
    image_id = engine.images.get(small_image).id
    for host in hosts:
        inspect = "image inspect --format {{.Id}}"
        assert host.log == [
            f"{inspect} {small_image}",
            f"{inspect} {image_id}",
            "image load --quiet",
            f"image tag {small_image} {shipped_name(small_image, image_id)}",
        ]
        with tarfile.open(host.fed) as saved:
            manifest = json.load(saved.extractfile("manifest.json"))
            assert manifest[0]["RepoTags"] == [small_image]
            layer = saved.extractfile(manifest[0]["Layers"][0])
            with tarfile.open(fileobj=layer) as content:
                assert content.getnames() == ["content"]
    assert len({host.fed.read_bytes() for host in hosts}) == 1


def test_what_was_saved_loads_into_a_real_engine(
    client: Client, small_image: str, engine: docker.DockerClient
) -> None:
    """The same id under the same name: so a second distribution would skip the host."""
    host = client.start("one", has_stub=True)
    image_id = engine.images.get(small_image).id
    client.mrunkit("image", "distribute", client.inventory(host.line), small_image)
    engine.images.remove(image_id, force=True)
    (loaded,) = engine.images.load(host.fed.read_bytes())
    assert (loaded.id, loaded.tags) == (image_id, [small_image])


def test_failed_hosts_do_not_stop_the_others_and_end_with_125(
    client: Client, small_image: str
) -> None:
    """Unknown host key, changed host key, refused login, nobody there: each with its remedy."""
    good = client.start("good", has_stub=True)
    unknown = client.start("unknown", has_stub=True, is_known=False)
    changed = client.start("changed", has_stub=True, is_known=False)
    with client.known_hosts.open("a") as known:
        known.write(good.known_host.replace(str(good.port), str(changed.port)))
    stranger = client.start("stranger", has_stub=True)
    make_key(client.home / "other")
    inventory = client.inventory(
        unknown.line,
        changed.line,
        f"{stranger.line} ansible_ssh_private_key_file={client.home}/other",
        "absent ansible_host=127.0.0.1 ansible_port=1",
        good.line,
    )
    ended = client.mrunkit("image", "distribute", inventory, small_image, "--json")
    results = {entry["host"]: entry for entry in json.loads(ended.stdout)}
    assert ended.returncode == 125
    assert outcomes(ended.stdout) == {
        "unknown": "failed",
        "changed": "failed",
        "stranger": "failed",
        "absent": "failed",
        "good": "loaded",
    }
    said = {name: (entry["message"], entry["remedy"]) for name, entry in results.items()}
    for name, message, remedy in (
        ("unknown", "is not known", "compare the fingerprint"),
        ("changed", "is not the one that known_hosts has", "ssh-keygen -R"),
        ("stranger", "takes none of our keys", "ansible_ssh_private_key_file"),
        ("absent", "cannot reach", "ssh -p 1 "),
    ):
        assert (message in said[name][0], remedy in said[name][1]) == (True, True), said[name]
    assert not (unknown.directory / "log").exists()
    assert not (changed.directory / "log").exists()
    assert "Traceback" not in ended.stderr


def test_no_file_is_left_of_the_saved_image(client: Client, small_image: str) -> None:
    """It can be gigabytes."""
    temporary = client.home / "tmp"
    temporary.mkdir()
    host = client.start("one", has_stub=True)
    mrunkit = Mrunkit(
        work=client.mrunkit.work,
        variables={**client.mrunkit.variables, "TMPDIR": str(temporary)},
    )
    ended = mrunkit("image", "distribute", client.inventory(host.line), small_image)
    assert ended.returncode == 0
    assert list(temporary.iterdir()) == []


def test_an_id_is_refused_before_any_host_is_contacted(
    client: Client, small_image: str, engine: docker.DockerClient
) -> None:
    """Hosts would get an image without a name."""
    image_id = engine.images.get(small_image).id
    inventory = client.inventory("absent ansible_host=127.0.0.1 ansible_port=1")
    ended = client.mrunkit("image", "distribute", inventory, image_id)
    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (
        125,
        f"mrunkit:   it has {small_image}",
    )
