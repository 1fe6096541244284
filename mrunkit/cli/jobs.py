"""`mrunkit jobs`: what became of the jobs that were run from this account."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mrunkit.records import JobRecord


def jobs(
    job_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Show this one, with its events.")
    ] = None,
    is_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    last: Annotated[
        int, typer.Option("--last", metavar="N", min=1, help="List so many, the newest last.")
    ] = 20,
) -> None:
    """List the jobs that were run from here, or show one."""
    from mrunkit.process_identity import booted_at
    from mrunkit.records import Records, to_json
    from mrunkit.settings import read_settings

    settings = read_settings()
    records = Records(settings.state_dir)
    booted = booted_at()

    def shown(record: JobRecord) -> dict[str, Any]:
        state = record.state(hostname=settings.hostname, booted=booted)
        return {"state": state, **to_json(record)}

    if job_id is not None:
        entry = shown(records.read(job_id))
        happened = records.read_events(job_id)
        print(json.dumps({**entry, "events": happened}) if is_json else _page(entry, happened))
        return
    entries = [shown(record) for record in records.all()[-last:]]
    if is_json:
        print(json.dumps(entries))
    elif entries:
        print(_table(entries))
    else:
        print("no jobs yet")


def _table(entries: list[dict[str, Any]]) -> str:
    from mrunkit.output import aligned

    rows: list[tuple[str, ...]] = [
        ("ID", "STATE", "EXIT", "NODES", "RANKS", "SECONDS", "MASTER", "PROGRAM")
    ]
    rows += [
        *(
            (
                entry["job_id"],
                entry["state"],
                _or_dash(entry["exit_status"]),
                str(entry["nodes"]),
                str(entry["procs"]),
                _seconds(entry),
                entry["master"],
                " ".join(entry["program"]),
            )
            for entry in entries
        ),
    ]
    return "\n".join(aligned(rows))


def _page(entry: dict[str, Any], happened: list[dict[str, Any]]) -> str:
    from datetime import datetime

    from mrunkit.output import plain

    started = datetime.fromtimestamp(entry["started"]).astimezone().isoformat(timespec="seconds")
    lines = [
        f"job      {entry['job_id']} ({entry['name']})",
        f"state    {entry['state']}, exit status {_or_dash(entry['exit_status'])}",
        f"program  {' '.join(entry['program'])}",
        f"asked    {entry['procs']} ranks on {entry['nodes']} nodes of {entry['master']}, "
        f"{entry['cpus']:g} cpus and {entry['mem']:g} MB per rank",
        f"hosts    {' '.join(f'{host}:{ranks}' for host, ranks in entry['hosts']) or '-'}",
        f"started  {started}, took {_seconds(entry)} s",
        f"phases   {', '.join(f'{name} {seconds:.2f} s' for name, seconds in entry['phases'])}",
    ]
    lines += [f"message  {entry['message']}"] if entry["message"] else []
    for event in happened:
        known = ("time", "kind", "type")
        fields = ", ".join(f"{k}={json.dumps(v)}" for k, v in event.items() if k not in known)
        lines.append(f"{event['time'] - entry['started']:9.3f}  {event['type']} {fields}"[:160])
    return "\n".join(map(plain, lines))


def _or_dash(value: object) -> str:
    return "-" if value is None else str(value)


def _seconds(entry: dict[str, Any]) -> str:
    return "-" if entry["ended"] is None else f"{entry['ended'] - entry['started']:.1f}"
