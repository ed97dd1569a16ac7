"""grove.metrics: the numbers of all hubs, as Prometheus reads them."""

import re
import threading

import grove


def numbers() -> dict[str, float]:
    """By name and labels."""
    lines = [line for line in grove.metrics().splitlines() if not line.startswith("#")]
    return {key: float(value) for key, _, value in (line.rpartition(" ") for line in lines)}


def of_this_thread(name: str) -> float:
    thread = threading.get_native_id()
    (found,) = (
        value
        for key, value in numbers().items()
        if re.fullmatch(rf'grove_hub_{name}{{hub="\d+",thread="{thread}"}}', key)
    )
    return found


def test_what_greenlets_did_is_counted():
    grove.sleep(0)
    spawned, switches = of_this_thread("fibers_spawned_total"), of_this_thread("switches_total")
    live = of_this_thread("fibers")
    waiting = [grove.spawn(grove.sleep, 60) for _ in range(5)]
    grove.sleep(0)
    assert of_this_thread("fibers_spawned_total") == spawned + 5
    assert of_this_thread("fibers") == live + 5
    assert of_this_thread("switches_total") >= switches + 5
    assert of_this_thread("timers") >= 5
    grove.killall(waiting)
    assert of_this_thread("fibers") == live


def test_the_release_is_told():
    assert numbers()[f'grove_info{{version="{grove.grove_version}"}}'] == 1
