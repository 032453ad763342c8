"""What idle connections cost: memory that stays below 2 KiB each, and nothing for those who come after them."""

from __future__ import annotations

import resource

import pytest

from tests.hostile.yardstick import Footprint, Onslaught, Prober, await_that, pss_kib
from tests.support.server import Server
from tests.support.wire import DEADLINE_S

EACH_BYTES = 2048


@pytest.mark.parametrize("count", [2_000, pytest.param(10_000, marks=pytest.mark.long_attack)])
def test_idle_connections_cost_less_than_two_kibibytes_each(count: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard * 0.8 < count + 100:
        pytest.fail(f"{count} connections need more descriptors than the {hard} of `ulimit -Hn`")
    with Server("tests.hostile.apps_hostile:app") as server:
        empty, empty_kib = Footprint.of(server.pid), pss_kib(server.pid)
        assert not isinstance(server.address, str)
        with Prober(server.address) as prober:
            with Onslaught(server.address, "idle-crowd", clients=count) as onslaught:
                assert onslaught.is_under_way(DEADLINE_S * 2), prober
                open_count = Footprint.of(server.pid).descriptors - empty.descriptors
                each_bytes = (pss_kib(server.pid) - empty_kib) * 1024 / count
            is_back = await_that(
                lambda: Footprint.of(server.pid).descriptors - prober.is_asking <= empty.descriptors, DEADLINE_S
            )
        print(f"{count} idle connections: {each_bytes:.0f} bytes each; {prober}")
        assert open_count >= count, open_count
        assert onslaught.account.ended == 0, onslaught.account
        assert each_bytes <= EACH_BYTES
        assert prober.failures == [], prober
        assert is_back, Footprint.of(server.pid)
