"""What a build is asked for, and what is made of what Docker says meanwhile."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mrunkit.containers.build import (
    BuildError,
    BuildOutput,
    BuildStep,
    Distribution,
    Target,
    build_events,
    build_request,
    images_directory,
    read_versions,
)
from mrunkit.errors import UsageError

VERSIONS = {"3.2.1": "5db5", "4.1.2": "3492"}


def test_versions_are_those_of_the_readme() -> None:
    """The table for people and the one for the command cannot drift apart."""
    directory = images_directory()
    readme = (directory / "README.md").read_text()
    rows = re.findall(r"^\| ([\d.]+) \|.*?\| `([0-9a-f]{64})` \|", readme, re.MULTILINE)
    assert read_versions(directory) == dict(rows)


def test_the_first_page_names_the_versions_that_there_are() -> None:
    """Others are refused."""
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    (line,) = re.findall(r"^The alpine image has .*--mpich-version.*$", readme, re.MULTILINE)
    assert sorted(re.findall(r"\d+\.\d+\.\d+", line)) == sorted(read_versions(images_directory()))


def test_the_dockerfiles_own_version_is_in_the_table() -> None:
    """Without --mpich-version, the Dockerfile's default is built; its checksum is the table's."""
    directory = images_directory()
    text = (directory / "alpine" / "Dockerfile").read_text()
    defaults = dict(re.findall(r"^ARG (MPICH_VERSION|MPICH_SHA256)=(\S+)$", text, re.MULTILINE))
    assert read_versions(directory)[defaults["MPICH_VERSION"]] == defaults["MPICH_SHA256"]


def test_another_version_brings_its_checksum() -> None:
    """One option sets both build arguments, and the tag."""
    request = build_request(
        Distribution.ALPINE,
        Target.RUNTIME,
        VERSIONS,
        tag=None,
        mpich_version="4.1.2",
        base_image="mirror/alpine:3.20",
    )
    assert request.arguments == {
        "BASE_IMAGE": "mirror/alpine:3.20",
        "MPICH_VERSION": "4.1.2",
        "MPICH_SHA256": "3492",
    }
    assert (request.tag, request.target) == ("mrunkit/alpine:4.1.2-runtime", "runtime")
    assert request.dockerfile == "alpine/Dockerfile"


@pytest.mark.parametrize(
    ("target", "tag", "expected"),
    [
        (Target.COMPILERS, None, ("mrunkit/debian", None)),
        (Target.RUNTIME, None, ("mrunkit/debian:runtime", "runtime")),
        (Target.COMPILERS, "mpi:1", ("mpi:1", None)),
    ],
)
def test_default_tag_tells_the_target(
    target: Target, tag: str | None, expected: tuple[str, str | None]
) -> None:
    """The two targets do not take each other's name."""
    request = build_request(
        Distribution.DEBIAN, target, VERSIONS, tag=tag, mpich_version=None, base_image=None
    )
    assert (request.tag, request.target) == expected


@pytest.mark.parametrize(
    ("distribution", "problem", "remedy"),
    [
        (Distribution.DEBIAN, "has the MPICH that Debian packages", "alpine"),
        (Distribution.ALPINE, "no checksum of its source is known", "known are 3.2.1, 4.1.2"),
    ],
)
def test_a_version_that_cannot_be_had_is_refused(
    distribution: Distribution, problem: str, remedy: str
) -> None:
    """Debian's package decides for debian; without a checksum nothing is fetched."""
    with pytest.raises(UsageError, match=problem) as refused:
        build_request(
            distribution,
            Target.COMPILERS,
            VERSIONS,
            tag=None,
            mpich_version="9.9",
            base_image=None,
        )
    assert remedy in (refused.value.remedy or "")


# As Docker 20.10 sent them.
CHUNKS = [
    {"stream": "Step 1/3 : ARG BASE=debian:13"},
    {"stream": "\n"},
    {"stream": " ---> Running in 1f2e\n"},
    {"stream": "Step 2/3 : FROM ${BASE} AS common"},
    {"stream": "\n"},
    {"stream": "Step 3/3 : RUN set -eux;     false"},
    {"stream": "\n"},
    {"stream": "\x1b[91m+ \x1b[0m"},
    {"stream": "\x1b[91mfalse\n\x1b[0m"},
    {"aux": {"ID": "sha256:5568"}},
]


def test_output_is_put_together_to_lines_without_colour() -> None:
    """Docker's pieces end anywhere."""
    assert list(build_events(CHUNKS, {})) == [
        BuildStep(number=1, total=3, instruction="ARG BASE=debian:13"),
        BuildStep(number=2, total=3, instruction="FROM ${BASE} AS common"),
        BuildStep(number=3, total=3, instruction="RUN set -eux; false"),
        BuildOutput(line="+ false"),
    ]


def test_a_failed_step_is_named_with_its_last_output() -> None:
    """What the failed instruction printed is part of the error."""
    failed = [*CHUNKS, {"error": "The command returned a non-zero code: 1"}]
    with pytest.raises(BuildError) as error:
        list(build_events(failed, {}))
    assert str(error.value).splitlines() == [
        "+ false",
        "step 3 of 3 failed: RUN set -eux; false",
        "The command returned a non-zero code: 1",
    ]


@pytest.mark.parametrize(
    ("arguments", "base"), [({}, "debian:13"), ({"BASE": "mirror/debian:13"}, "mirror/debian:13")]
)
def test_a_missing_base_is_called_by_its_name(arguments: dict[str, str], base: str) -> None:
    """Not by the argument that holds it; the remedy is the option that sets it."""
    failed = [*CHUNKS[:5], {"error": "manifest for x not found: manifest unknown"}]
    with pytest.raises(BuildError, match=f"no image {base} ") as error:
        list(build_events(failed, arguments))
    assert "--base-image" in (error.value.remedy or "")
