"""Talking to a Mesos master: as a framework (driver) and as a reader of its state (operator)."""
