"""What a driver does by itself, without a master."""

from __future__ import annotations

import asyncio

import pytest

from mrunkit.mesos.address import HostPort
from mrunkit.mesos.driver import Driver
from mrunkit.mesos.operator import Credentials
from mrunkit.mesos.subscription import Subscription
from mrunkit.mesos.wire import FrameworkSpec


def test_a_defect_is_told_to_who_watches_and_stopping_goes_on() -> None:
    """What else has to be closed is closed after it."""

    def defect() -> float:
        raise ZeroDivisionError

    async def run() -> None:
        driver = Driver(
            HostPort(host="127.0.0.1", port=1),  # nothing listens there, which is told first
            FrameworkSpec(name="j", user="me"),
            credentials=None,
            on_event=lambda _: defect(),
            random=defect,
        )
        with pytest.raises(ZeroDivisionError):
            await driver.start()
        await driver.stop()

    asyncio.run(asyncio.wait_for(run(), 30))


def test_credentials_need_not_be_ascii() -> None:
    """The same header as for the questions about agents."""
    credentials = Credentials(principal="é", secret="§")
    subscription = Subscription(
        {},
        HostPort(host="127.0.0.1", port=1),
        credentials,
        received=lambda _: None,
        closed=lambda _: None,
    )
    assert subscription._basic_credential == credentials.header
