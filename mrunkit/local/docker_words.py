"""What the command line of Docker says when something fails, and with which status it ends.

Pure. A real agent runs that command line, so frameworks read its words in status updates.
"""

from __future__ import annotations


class EngineError(Exception):
    """The engine cannot do it; the text is what the command line would have said."""


def unreachable(said: str, address: str) -> str:
    """The command line's words for an engine that could not be reached, from the SDK's."""
    if "PermissionError" in said:
        return f"permission denied while trying to connect to the Docker daemon socket at {address}"
    if "FileNotFoundError" in said or "ConnectionRefusedError" in said:
        return f"Cannot connect to the Docker daemon at {address}. Is the docker daemon running?"
    return said


def pull_failure(image: str, address: str, said: str) -> str:
    """An agent's words for an image that could not be pulled."""
    return (
        f"Failed to run 'docker -H {address} pull {image}': exited with status 1; stderr='{said}\n'"
    )


def start_failure_status(said: str) -> int:
    """The status with which `docker run` ends when a container cannot be started.

    Source: docker/cli, `runStartContainerErr`.
    """
    if "executable file not found" in said or "no such file or directory" in said:
        return 127
    if "permission denied" in said or "is a directory" in said:
        return 126
    return 125
