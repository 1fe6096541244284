"""How the Alpine image gets MPICH: fetched over https, checked, compiled, split in two trees.

The archive is a small stand-in with MPICH's file names, served on this machine.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import shutil
import ssl
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from in_background import in_background

SCRIPT = Path(__file__).parents[2] / "images" / "build-mpich.sh"
WRONG_SHA256 = "0" * 64

CONFIGURE = """#!/bin/sh
printf '%s\\n' "$@" >arguments
"""

MAKEFILE = """\
PREFIX = $(DESTDIR)/usr/local
PROGRAMS = mpiexec.hydra hydra_pmi_proxy hydra_nameserver mpichversion

all:
	printf 'int answer(void) { return 42; }' >answer.c
	printf 'int answer(void); int main(void) { return answer() != 42; }' >main.c
	$(CC) -g -shared -fPIC -Wl,-soname,libmpi.so.12 -o libmpi.so.12.1 answer.c
	$(CC) -g -o program main.c libmpi.so.12.1

install:
	mkdir -p $(PREFIX)/bin $(PREFIX)/lib $(PREFIX)/include $(PREFIX)/share/man
	cp libmpi.so.12.1 $(PREFIX)/lib
	touch $(PREFIX)/lib/libmpi.a $(PREFIX)/lib/libmpi.la $(PREFIX)/share/man/mpicc.1
	cp arguments $(PREFIX)/include/mpi.h
	for name in $(PROGRAMS); do cp program $(PREFIX)/bin/$$name; done
	echo '#!/bin/sh' >$(PREFIX)/bin/mpicc
	ln -sf mpiexec.hydra $(PREFIX)/bin/mpiexec
	ln -sf mpiexec.hydra $(PREFIX)/bin/mpirun
	ln -sf libmpi.so.12.1 $(PREFIX)/lib/libmpi.so.12
	ln -sf libmpi.so.12.1 $(PREFIX)/lib/libmpi.so
"""

pytestmark = pytest.mark.skipif(
    any(shutil.which(program) is None for program in ("curl", "openssl")),
    reason="needs curl and openssl: apt-get install curl openssl",
)

Build = Callable[..., "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A directory of archives, and the https address it is served at."""

    directory: Path
    address: str
    certificate: Path

    def add(self, name: str, *, makefile: str = MAKEFILE) -> str:
        """Put an archive there, and return its checksum."""
        tree = self.directory / "mpich-9.9"
        tree.mkdir()
        (tree / "configure").write_text(CONFIGURE)
        (tree / "configure").chmod(0o755)
        (tree / "Makefile").write_text(makefile)
        with tarfile.open(self.directory / name, "w:gz") as archive:
            archive.add(tree, tree.name)
        shutil.rmtree(tree)
        return hashlib.sha256((self.directory / name).read_bytes()).hexdigest()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: pytest would show it with every failure."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost that only these tests trust, with its key."""
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    out = ["-keyout", str(path), "-out", str(path.with_suffix(".crt"))]
    subprocess.run([*request, *names, *out], check=True, capture_output=True)
    with path.open("a") as file:
        file.write(path.with_suffix(".crt").read_text())
    return path


@pytest.fixture
def source(certificate: Path, tmp_path: Path) -> Iterator[Source]:
    """An https server on this machine."""
    directory = tmp_path / "served"
    directory.mkdir()
    handler = functools.partial(_Quiet, directory=directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with in_background(server):
        address = f"https://localhost:{server.server_port}"
        yield Source(directory=directory, address=address, certificate=certificate)


@pytest.fixture
def build(source: Source, tmp_path: Path) -> Build:
    """Run the script on an archive of the source, into `tmp_path / "out"`."""

    def run(name: str, sha256: str, *, address: str = "") -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "CURL_CA_BUNDLE": str(source.certificate),
            "MPICH_VERSION": "9.9",
            "MPICH_SHA256": sha256,
            "MPICH_URL": f"{address or source.address}/{name}",
        }
        words = [str(SCRIPT), str(tmp_path / "out")]
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)

    return run


def files(tree: Path) -> list[str]:
    """All files and links below a directory, by their path in it."""
    return sorted(
        str(path.relative_to(tree))
        for path in tree.rglob("*")
        if path.is_symlink() or path.is_file()
    )


def test_runtime_and_compilers_are_apart(source: Source, build: Build, tmp_path: Path) -> None:
    """The runtime's tree runs programs; what compiles them comes on top, and nothing twice."""
    done = build("mpich.tar.gz", source.add("mpich.tar.gz"))
    assert (done.returncode, done.stderr) == (0, "")
    assert files(tmp_path / "out" / "runtime" / "usr" / "local") == [
        "bin/hydra_nameserver",
        "bin/hydra_pmi_proxy",
        "bin/mpichversion",
        "bin/mpiexec",
        "bin/mpiexec.hydra",
        "bin/mpirun",
        "lib/libmpi.so.12",
        "lib/libmpi.so.12.1",
    ]
    assert files(tmp_path / "out" / "devel" / "usr" / "local") == [
        "bin/mpicc",
        "include/mpi.h",
        "lib/libmpi.so",
    ]


def test_programs_are_stripped_and_still_run(source: Source, build: Build, tmp_path: Path) -> None:
    """Symbols for debugging are most of the size and no use in an image."""
    build("mpich.tar.gz", source.add("mpich.tar.gz"))
    runtime = tmp_path / "out" / "runtime" / "usr" / "local"
    program = runtime / "bin" / "hydra_pmi_proxy"
    assert b".debug_info" not in program.read_bytes()
    assert b".debug_info" not in (runtime / "lib" / "libmpi.so.12.1").read_bytes()
    environment = {**os.environ, "LD_LIBRARY_PATH": str(runtime / "lib")}
    assert subprocess.run([program], env=environment, check=False).returncode == 0


@pytest.mark.parametrize(
    "argument",
    ["--prefix=/usr/local", "--with-device=ch3:nemesis", "--disable-fortran", "--disable-romio"],
)
def test_mpich_is_configured_as_measured(
    source: Source, build: Build, tmp_path: Path, argument: str
) -> None:
    """What MPICH is compiled with is what was tried, whatever the version's defaults are."""
    build("mpich.tar.gz", source.add("mpich.tar.gz"))
    arguments = (tmp_path / "out/devel/usr/local/include/mpi.h").read_text().splitlines()
    assert argument in arguments
    assert [a for a in arguments if a.startswith("CFLAGS=") and " -fcommon " in a] != []


def test_a_wrong_checksum_ends_it_before_anything_is_unpacked(
    source: Source, build: Build, tmp_path: Path
) -> None:
    """What was fetched is not what was asked for: both sums are told, and nothing is run."""
    found = source.add("mpich.tar.gz")
    done = build("mpich.tar.gz", WRONG_SHA256)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"is {found}, expected {WRONG_SHA256}" in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_unknown_server_is_not_trusted(source: Source, build: Build, tmp_path: Path) -> None:
    """The name in the certificate must be the one in the address."""
    sha256 = source.add("mpich.tar.gz")
    done = build("mpich.tar.gz", sha256, address=source.address.replace("localhost", "127.0.0.1"))
    assert done.returncode == 1
    assert "certificate" in done.stderr


def test_plain_http_is_refused(source: Source, build: Build) -> None:
    """Not even an archive that would fit its checksum is fetched without encryption."""
    done = build("mpich.tar.gz", WRONG_SHA256, address="http://localhost:9")
    assert done.returncode == 1
    assert 'Protocol "http" not supported' in done.stderr


def test_a_missing_archive_names_the_remedy(source: Source, build: Build) -> None:
    """Old versions move: the message says how to give another address."""
    done = build("gone.tar.gz", WRONG_SHA256)
    assert done.returncode == 1
    assert f"cannot fetch {source.address}/gone.tar.gz" in done.stderr
    assert "MPICH_URL" in done.stderr


def test_what_the_compiler_said_last_is_shown(source: Source, build: Build) -> None:
    """A build that fails in a long log ends with the reason, not with "exit 2"."""
    sha256 = source.add("broken.tar.gz", makefile="all:\n\t@echo multiple definition >&2; false\n")
    done = build("broken.tar.gz", sha256)
    assert done.returncode == 1
    assert "multiple definition" in done.stderr
    assert "MPICH 9.9 does not compile here" in done.stderr
