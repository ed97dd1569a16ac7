"""Follow a site's links: a greenlet a page, a few of them fetching at a time.

    python3 crawler.py URL [FETCHING]

Prints each page as it comes, and how long it all took. The exit status is 1 if
one could not be read.
"""

from grove import monkey

monkey.patch_socket()

import argparse  # noqa: E402
import re  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from urllib.parse import urljoin  # noqa: E402
from urllib.request import urlopen  # noqa: E402

from grove import Greenlet  # noqa: E402
from grove.lock import Semaphore  # noqa: E402
from grove.pool import Group  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("url", metavar="URL")
parser.add_argument("fetching", metavar="FETCHING", type=int, nargs="?", default=10)
arguments = parser.parse_args()

start = time.monotonic()
pages = Group()
fetching = Semaphore(arguments.fetching)
seen: set[str] = set()
failed: list[Greenlet] = []


def visit(url: str) -> None:
    with fetching:
        page = urlopen(url).read().decode()
    print(f"{time.monotonic() - start:5.2f} s  {len(page):6} bytes  {url}")
    for link in re.findall(r'href="([^"]+)"', page):
        follow(urljoin(url, link))


def follow(url: str) -> None:
    if url not in seen:
        seen.add(url)
        pages.spawn(visit, url).link_exception(failed.append)


follow(arguments.url)
pages.join()
print(f"{len(seen)} pages in {time.monotonic() - start:.2f} s")
sys.exit(1 if failed else 0)
