"""The child process of an embedded cluster: `python -m mrunkit.local --agents 4 --cpus 8`.

Prints one line of JSON with the master's address on stdout once it serves. Ends, and leaves
nothing, when its stdin is closed, or on SIGTERM or SIGINT.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys

from mrunkit.local.cluster import LocalCluster
from mrunkit.local.config import LocalConfig, config_from_json
from mrunkit.local.serving import serve


def read_config(words: list[str]) -> LocalConfig:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m mrunkit.local", description=__doc__)
    parser.add_argument("--config", help="all of the configuration, as JSON; -: a line of stdin")
    parser.add_argument("--agents", type=int)
    parser.add_argument("--cpus", type=float, help="cpus of each agent")
    parser.add_argument("--mem", type=float, help="memory of each agent in MB")
    parser.add_argument("--port", type=int, help="of the master, on 127.0.0.1")
    given = {name: value for name, value in vars(parser.parse_args(words)).items() if value}
    as_json = given.pop("config", "{}")
    if as_json == "-":
        as_json = sys.stdin.readline()
        if not as_json:
            sys.exit("the client ended before it said what to serve")
    return config_from_json({**json.loads(as_json), **given})


def announce(cluster: LocalCluster) -> None:
    """Tell the parent where the cluster is."""
    told = {
        "address": cluster.address,
        "pid": os.getpid(),
        "work_dir": str(cluster.work_dir),
    }
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(serve(read_config(sys.argv[1:]), announce, lifeline=sys.stdin.fileno()))
    # All is cleared up; the interpreter would take a while more, and the client waits for us.
    os._exit(0)
