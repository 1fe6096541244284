"""What is said of checks."""

from __future__ import annotations

from mrunkit.provision.doctor.verdicts import (
    Check,
    Outcome,
    Problem,
    Verdict,
    judged,
    lines,
    named,
    skipped,
    to_json,
)


def test_a_check_without_problems_passes_with_what_was_seen() -> None:
    """One line, no remedy."""
    verdicts = judged(Check.SWARM, [], seen="3 of 3 nodes ready")
    assert lines(verdicts) == ["pass  swarm       3 of 3 nodes ready"]


def test_hosts_with_the_same_problem_share_a_line() -> None:
    """In the order in which they were found."""
    problems = [
        Problem(what="no image", remedy="distribute it", host="b"),
        Problem(what="is apart", remedy="look"),
        Problem(what="no image", remedy="distribute it", host="a"),
    ]
    assert lines(judged(Check.IMAGE, problems, seen="")) == [
        "fail  image       b, a: no image  -> distribute it",
        "fail  image       is apart  -> look",
    ]


def test_many_problems_are_not_all_shown() -> None:
    """A lab of 500 hosts would fill the screen; --json has them all."""
    problems = [Problem(what=f"problem {n}", remedy="look", host="a") for n in range(9)]
    verdicts = judged(Check.SSH, problems, seen="")
    shown = lines(verdicts)
    assert len(verdicts) == 9
    assert len(shown) == 7
    assert shown[-1] == "fail  ssh         and 3 more (see --json)"


def test_many_hosts_are_not_all_named() -> None:
    """One more than are named is named, too: 'and 1 more' is no shorter."""
    assert named(["a", "b", "a"]) == "a, b"
    assert named([f"h{n}" for n in range(6)]) == "h0, h1, h2, h3, h4, h5"
    assert named([f"h{n}" for n in range(9)]) == "h0, h1, h2, h3, h4 and 4 more"


def test_a_skipped_check_says_why() -> None:
    """In JSON as well."""
    (verdict,) = skipped(Check.MPI, "as asked")
    assert verdict == Verdict(check=Check.MPI, outcome=Outcome.SKIP, seen="as asked")
    assert to_json(verdict) == {
        "check": "mpi",
        "outcome": "skip",
        "seen": "as asked",
        "remedy": None,
    }
