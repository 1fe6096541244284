"""Whose a setting is, in a file that a host and its lab both have settings in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playbook_plugins import load

plugin = load("filter_plugins/daemon_settings.py")

SETTINGS = st.dictionaries(
    st.sampled_from("abc"),
    st.integers(0, 2) | st.dictionaries(st.sampled_from("xyz"), st.integers(0, 2), max_size=2),
)


def recorded(before: dict[str, Any], *written: dict[str, Any]) -> dict[str, Any]:
    """What the role keeps."""
    return {"before": before, "written": list(written)}


@given(before=SETTINGS, written=SETTINGS)
def test_what_was_replaced_comes_back(before: dict[str, Any], written: dict[str, Any]) -> None:
    """Whatever the lab wrote; and without a record it wrote nothing."""
    assert plugin.daemon_settings_of_host(written, recorded(before, written)) == before
    assert plugin.daemon_settings_of_host(written, {}) == written


@given(before=SETTINGS, earlier=SETTINGS, written=SETTINGS)
def test_a_run_that_was_cut_off_before_it_wrote_leaves_no_doubt(
    before: dict[str, Any], earlier: dict[str, Any], written: dict[str, Any]
) -> None:
    """What is there is of the run before."""
    assert plugin.daemon_settings_of_host(earlier, recorded(before, earlier, written)) == before


def test_what_was_changed_since_stays() -> None:
    """A value, one that is new, and one that somebody took out."""
    before = {"driver": "syslog", "options": {"address": "a"}, "labels": ["x"]}
    written = {"driver": "json", "options": {"size": "10m", "files": "3"}, "labels": ["x"]}
    now = {"driver": "json", "options": {"size": "50m", "files": "3", "compress": "true"}}
    assert plugin.daemon_settings_of_host(now, recorded(before, written)) == {
        "driver": "syslog",
        "options": {"size": "50m", "compress": "true", "address": "a"},
    }


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"a": 1, "b": {"c": 2}, "d": 3}, []),
        ({"a": 1, "b": {"c": 3}}, ["b.c"]),
        ({"b": {}}, ["a", "b.c"]),
    ],
)
def test_what_is_replaced_is_told(wanted: dict[str, Any], expected: list[str]) -> None:
    """Not what comes in addition."""
    assert plugin.daemon_settings_replaced({"a": 1, "b": {"c": 2}}, wanted) == expected
