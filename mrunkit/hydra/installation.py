"""Where this machine's MPICH is, and which version; refuses what is not MPICH's Hydra."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from mrunkit.errors import MrunkitError

from .arguments import mpiexec_environment

_VERSION = re.compile(r"^HYDRA build details:\n\s+Version:\s+(?P<version>\S+)$", re.MULTILINE)
_ANSWER_SECONDS = 20.0
_REMEDY = "install mrunkit with its extra `mpich`, or name another with --mpiexec"


class MpichError(MrunkitError):
    """There is no mpiexec.hydra of MPICH where it was looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mpich:
    """An installed MPICH."""

    mpiexec: Path
    version: str

    @property
    def proxy(self) -> Path:
        """hydra_pmi_proxy, where this installation has it."""
        return self.mpiexec.parent / "hydra_pmi_proxy"


def mpich_version(text: str) -> str:
    """Return the version that `mpiexec.hydra --version` tells; raises MpichError."""
    details = _VERSION.search(text)
    if details is None:
        first_line = text.strip().partition("\n")[0] or "nothing"
        raise MpichError(f"it calls itself {first_line!r}, which is not MPICH's Hydra")
    return details["version"]


def find_mpiexec(path: str | None = None) -> Path:
    """Return mpiexec.hydra: `path`, or the one beside this Python, or the one in PATH."""
    if path is not None:
        found = shutil.which(path)
        if found is None:
            raise MpichError(f"no program {path}", remedy=_REMEDY)
        return Path(found).absolute()
    beside = Path(sys.executable).parent / "mpiexec.hydra"
    found = shutil.which(beside) or shutil.which("mpiexec.hydra")
    if found is None:
        raise MpichError(
            f"no mpiexec.hydra beside {sys.executable} nor in PATH",
            remedy=_REMEDY,
        )
    return Path(found).absolute()


async def inspect_mpich(mpiexec: Path, environ: dict[str, str]) -> Mpich:
    """Ask `mpiexec` for its version (about 5 ms); raises MpichError if it is another MPI's."""
    process = await asyncio.create_subprocess_exec(
        str(mpiexec),
        "--version",
        env=mpiexec_environment(environ),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        text, _ = await asyncio.wait_for(process.communicate(), _ANSWER_SECONDS)
        version = mpich_version(text.decode(errors="replace"))
    except TimeoutError:
        process.kill()
        await process.wait()
        raise MpichError(f"{mpiexec} --version does not end", remedy=_REMEDY) from None
    except MpichError as error:
        raise MpichError(f"{mpiexec} is of no use: {error}", remedy=_REMEDY) from None
    return Mpich(mpiexec=mpiexec, version=version)
