"""Fetch pages one after another, then all at once, and show when each began and
ended. Written for gevent; run it with its name given to grove:

    python3 -m grove timeline.py URL...
"""

from gevent import monkey

monkey.patch_socket()

import argparse  # noqa: E402
from time import perf_counter  # noqa: E402
from urllib.parse import urlsplit  # noqa: E402
from urllib.request import urlopen  # noqa: E402

import gevent  # noqa: E402

WIDTH = 50  # columns


def fetch(url: str) -> tuple[float, float]:
    """When the fetch began and ended."""
    begin = perf_counter()
    with urlopen(url) as page:
        page.read()
    return begin, perf_counter()


def show(title: str, start: float, fetches: list[tuple[float, float]]) -> None:
    total = perf_counter() - start
    print(f"{title}: {total * 1000:.0f} ms")
    for url, (begin, end) in zip(urls, fetches):
        begin, end = begin - start, end - start
        first, last = (int(time / total * WIDTH) for time in (begin, end))
        bar = " " * first + "=" * (last - first)
        times = f"{begin * 1000:4.0f} - {end * 1000:4.0f}"
        print(f"  |{bar:<{WIDTH}}| {times} {urlsplit(url).path}")


parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
parser.add_argument("urls", metavar="URL", nargs="+")
urls = parser.parse_args().urls
start = perf_counter()
show("one after another", start, [fetch(url) for url in urls])
start = perf_counter()
greenlets = [gevent.spawn(fetch, url) for url in urls]
gevent.joinall(greenlets, raise_error=True)
show("at once", start, [greenlet.value for greenlet in greenlets])
