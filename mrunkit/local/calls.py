"""The border for scheduler calls: what is answered with an HTTP error, and with which words.

Owns the schema of calls and the texts of a real master's refusals. What passes is well-formed;
whether it makes sense to the cluster is the master's to say.
Source of the texts: recordings of Apache Mesos 1.11.0 (tests/data/mesos).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from mrunkit.local.status import is_uuid
from mrunkit.local.wire import Json


class RefusedError(Exception):
    """A call is answered with an HTTP error."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class CallType(Enum):
    """Scheduler calls, by their names on the wire."""

    SUBSCRIBE = "SUBSCRIBE"
    TEARDOWN = "TEARDOWN"
    ACCEPT = "ACCEPT"
    DECLINE = "DECLINE"
    ACCEPT_INVERSE_OFFERS = "ACCEPT_INVERSE_OFFERS"
    DECLINE_INVERSE_OFFERS = "DECLINE_INVERSE_OFFERS"
    REVIVE = "REVIVE"
    SUPPRESS = "SUPPRESS"
    KILL = "KILL"
    SHUTDOWN = "SHUTDOWN"
    ACKNOWLEDGE = "ACKNOWLEDGE"
    ACKNOWLEDGE_OPERATION_STATUS = "ACKNOWLEDGE_OPERATION_STATUS"
    RECONCILE = "RECONCILE"
    RECONCILE_OPERATIONS = "RECONCILE_OPERATIONS"
    MESSAGE = "MESSAGE"
    REQUEST = "REQUEST"
    UPDATE_FRAMEWORK = "UPDATE_FRAMEWORK"


BODYLESS = frozenset({CallType.TEARDOWN, CallType.REVIVE, CallType.SUPPRESS})
"""Calls whose own part may be missing."""


class Kind(Enum):
    """JSON types of fields."""

    STRING = auto()
    NUMBER = auto()
    BOOL = auto()


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message."""

    type: Kind | Mapping[str, Field]
    required: bool = False
    repeated: bool = False


Message = Mapping[str, Field]

TEXT = Field(Kind.STRING)
NEEDED_TEXT = Field(Kind.STRING, required=True)
NUMBER = Field(Kind.NUMBER)
NEEDED_NUMBER = Field(Kind.NUMBER, required=True)
BOOL = Field(Kind.BOOL)

ID: Message = {"value": NEEDED_TEXT}
RESOURCE: Message = {
    "name": NEEDED_TEXT,
    "type": NEEDED_TEXT,
    "role": TEXT,
    "scalar": Field({"value": NEEDED_NUMBER}),
    "ranges": Field(
        {"range": Field({"begin": NEEDED_NUMBER, "end": NEEDED_NUMBER}, repeated=True)}
    ),
}
COMMAND: Message = {
    "value": TEXT,
    "shell": BOOL,
    "user": TEXT,
    "arguments": Field(Kind.STRING, repeated=True),
    "environment": Field({"variables": Field({"name": NEEDED_TEXT, "value": TEXT}, repeated=True)}),
}
KILL_POLICY: Message = {"grace_period": Field({"nanoseconds": NEEDED_NUMBER})}
TASK: Message = {
    "name": NEEDED_TEXT,
    "task_id": Field(ID, required=True),
    "agent_id": Field(ID, required=True),
    "resources": Field(RESOURCE, repeated=True),
    "command": Field(COMMAND),
    "container": Field({"type": NEEDED_TEXT}),
    "kill_policy": Field(KILL_POLICY),
    "labels": Field({"labels": Field({"key": NEEDED_TEXT}, repeated=True)}),
}
FILTERS: Message = {"refuse_seconds": NUMBER}
FRAMEWORK_INFO: Message = {
    "user": NEEDED_TEXT,
    "name": NEEDED_TEXT,
    "id": Field(ID),
    "failover_timeout": NUMBER,
    "checkpoint": BOOL,
    "role": TEXT,
    "roles": Field(Kind.STRING, repeated=True),
    "capabilities": Field({"type": TEXT}, repeated=True),
}
OFFER_IDS = Field(ID, repeated=True)
ROLES = Field(Kind.STRING, repeated=True)
CALL: Message = {
    "framework_id": Field(ID),
    "subscribe": Field(
        {"framework_info": Field(FRAMEWORK_INFO, required=True), "suppressed_roles": ROLES}
    ),
    "accept": Field(
        {
            "offer_ids": OFFER_IDS,
            "operations": Field(
                {
                    "type": TEXT,
                    "launch": Field({"task_infos": Field(TASK, repeated=True)}),
                    "launch_group": Field(
                        {"task_group": Field({"tasks": Field(TASK, repeated=True)}, required=True)}
                    ),
                },
                repeated=True,
            ),
            "filters": Field(FILTERS),
        }
    ),
    "decline": Field({"offer_ids": OFFER_IDS, "filters": Field(FILTERS)}),
    "revive": Field({"roles": ROLES}),
    "suppress": Field({"roles": ROLES}),
    "kill": Field(
        {
            "task_id": Field(ID, required=True),
            "agent_id": Field(ID),
            "kill_policy": Field(KILL_POLICY),
        }
    ),
    "shutdown": Field(
        {"executor_id": Field(ID, required=True), "agent_id": Field(ID, required=True)}
    ),
    "acknowledge": Field(
        {
            "agent_id": Field(ID, required=True),
            "task_id": Field(ID, required=True),
            "uuid": NEEDED_TEXT,
        }
    ),
    "reconcile": Field(
        {
            "tasks": Field(
                {"task_id": Field(ID, required=True), "agent_id": Field(ID)}, repeated=True
            )
        }
    ),
    "message": Field(
        {
            "agent_id": Field(ID, required=True),
            "executor_id": Field(ID, required=True),
            "data": NEEDED_TEXT,
        }
    ),
    "request": Field({}),
    "update_framework": Field(
        {"framework_info": Field(FRAMEWORK_INFO, required=True), "suppressed_roles": ROLES}
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A well-formed call; `body` is its own part, `{}` where that may be missing."""

    type: CallType
    framework_id: str | None
    body: Json


def check_media(content_type: str | None, accept: str | None, *, subscribes: bool) -> None:
    """Refuse what is not JSON, or wants an answer that is not."""
    if content_type is None:
        raise RefusedError(400, "Expecting 'Content-Type' to be present")
    if content_type.partition(";")[0].strip() != "application/json":
        raise RefusedError(
            415, "Expecting 'Content-Type' of application/json or application/x-protobuf"
        )
    if subscribes and not accepts_json(accept):
        raise RefusedError(
            406, "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'"
        )


def accepts_json(accept: str | None) -> bool:
    """Whether an Accept header lets the answer be JSON."""
    if accept is None:
        return True
    types = {part.partition(";")[0].strip() for part in accept.split(",")}
    return bool(types & {"*/*", "application/*", "application/json"})


def parse_call(body: bytes) -> Call:
    """Read a call; raises RefusedError with a real master's words."""
    call = read_object(body, CALL, "Call")
    try:
        call_type = CallType(call.get("type"))
    except ValueError:
        raise _invalid("Expecting 'type' to be present") from None
    framework_id = call.get("framework_id", {}).get("value")
    part = call_type.value.lower()
    if call_type is CallType.SUBSCRIBE:
        _check_subscribe(call, framework_id)
    elif framework_id is None:
        raise _invalid("Expecting 'framework_id' to be present")
    elif part not in call and call_type not in BODYLESS:
        raise _invalid(f"Expecting '{part}' to be present")
    if call_type is CallType.ACKNOWLEDGE and not is_uuid(call["acknowledge"]["uuid"]):
        raise _invalid("Not a valid UUID")
    return Call(type=call_type, framework_id=framework_id, body=call.get(part, {}))


def _check_subscribe(call: Json, framework_id: str | None) -> None:
    if "subscribe" not in call:
        raise _invalid("Expecting 'subscribe' to be present")
    if framework_id != call["subscribe"]["framework_info"].get("id", {}).get("value"):
        raise _invalid("'framework_id' differs from 'subscribe.framework_info.id'")


def _invalid(text: str) -> RefusedError:
    return RefusedError(400, f"Failed to validate scheduler::Call: {text}")


def read_object(body: bytes, message: Message, name: str) -> Json:
    """Read JSON that has a message's fields; others are ignored, as Mesos does."""
    try:
        value = json.loads(body)
        if b"\\ud" in body.lower():  # half a character, perhaps, which Python's JSON lets pass
            json.dumps(value, ensure_ascii=False).encode()
    except ValueError:
        raise RefusedError(
            400, "Failed to parse body into JSON: syntax error at line 1 near: "
        ) from None
    convert = f"Failed to convert JSON into {name} protobuf: "
    if not isinstance(value, dict):
        raise RefusedError(400, convert + "Expecting a JSON object")
    missing: list[str] = []
    wrong = _first_wrong_type(value, message) or ""
    if not wrong:
        _collect_missing(value, message, "", missing)
    if missing:
        wrong = "Missing required fields: " + ", ".join(missing)
    if wrong:
        raise RefusedError(400, convert + wrong)
    return value


def _first_wrong_type(value: Json, message: Message) -> str | None:
    for name, field in message.items():
        if name not in value:
            continue
        found = value[name]
        if field.repeated != isinstance(found, list):
            return f"Not expecting a JSON {_json_type(found)} for field '{name}'"
        for item in found if field.repeated else (found,):
            if not _has_type(item, field.type):
                return f"Not expecting a JSON {_json_type(item)} for field '{name}'"
            if not isinstance(field.type, Kind):
                wrong = _first_wrong_type(item, field.type)
                if wrong:
                    return wrong
    return None


def _collect_missing(value: Json, message: Message, path: str, missing: list[str]) -> None:
    for name, field in message.items():
        if name not in value:
            if field.required:
                missing.append(path + name)
            continue
        if isinstance(field.type, Kind):
            continue
        if field.repeated:
            for index, item in enumerate(value[name]):
                _collect_missing(item, field.type, f"{path}{name}[{index}].", missing)
        else:
            _collect_missing(value[name], field.type, f"{path}{name}.", missing)


def _has_type(value: Any, wanted: Kind | Message) -> bool:
    match wanted:
        case Kind.STRING:
            return isinstance(value, str)
        case Kind.NUMBER:
            # protobuf's JSON also writes 64-bit integers as text.
            return not isinstance(value, bool) and (
                isinstance(value, int | float) or (isinstance(value, str) and value.isdigit())
            )
        case Kind.BOOL:
            return isinstance(value, bool)
        case _:
            return isinstance(value, dict)


def _json_type(value: Any) -> str:
    match value:
        case str():
            return "string"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case list():
            return "array"
        case None:
            return "null"
        case _:
            return "object"
