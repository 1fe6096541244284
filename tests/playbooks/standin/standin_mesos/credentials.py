"""Files of credentials, and HTTP basic authentication by them."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from standin_mesos.flags import FlagError


def read_credentials(path: str) -> dict[str, str]:
    """Secrets by principal, of a master's `--credentials`; raises FlagError."""
    entries = _read(path).get("credentials")
    if not isinstance(entries, list) or not entries:
        raise FlagError(f"Credentials file '{path}' lists no credentials")
    return dict(_pair(entry, path) for entry in entries)


def read_credential(path: str) -> tuple[str, str]:
    """Principal and secret, of an agent's `--credential`; raises FlagError."""
    return _pair(_read(path), path)


def basic(principal: str, secret: str) -> str:
    """The value of the Authorization header."""
    return "Basic " + base64.b64encode(f"{principal}:{secret}".encode()).decode()


def authenticated(header: str | None, secrets: dict[str, str]) -> str | None:
    """Who sent this Authorization header; None: nobody we know."""
    for principal, secret in secrets.items():
        if header == basic(principal, secret):
            return principal
    return None


def _read(path: str) -> dict[str, object]:
    path = path[len("file://") :] if path.startswith("file://") else path
    try:
        value = json.loads(Path(path).read_text())
    except OSError as error:
        raise FlagError(f"Failed to read credentials file '{path}': {error.strerror}") from error
    except ValueError as error:
        raise FlagError(f"Credentials file '{path}' is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise FlagError(f"Credentials file '{path}' holds no object")
    return value


def _pair(entry: object, path: str) -> tuple[str, str]:
    if isinstance(entry, dict) and set(entry) == {"principal", "secret"}:
        principal, secret = entry["principal"], entry["secret"]
        if isinstance(principal, str) and isinstance(secret, str) and principal and secret:
            return principal, secret
    raise FlagError(f"Credentials file '{path}' has an entry without principal or secret")
