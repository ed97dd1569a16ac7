"""Follow a site's links: a greenlet a page, a few of them fetching at a time.

    python3 crawler.py URL [FETCHING]

Prints each page as it comes, and how long it all took.
"""

from grove import monkey

monkey.patch_socket()

import re  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from urllib.parse import urljoin  # noqa: E402
from urllib.request import urlopen  # noqa: E402

from grove.lock import Semaphore  # noqa: E402
from grove.pool import Group  # noqa: E402

start = time.monotonic()
pages = Group()
fetching = Semaphore(int(sys.argv[2]) if len(sys.argv) > 2 else 10)
seen: set[str] = set()


def visit(url: str) -> None:
    with fetching:
        page = urlopen(url).read().decode()
    print(f"{time.monotonic() - start:5.2f} s  {len(page):6} bytes  {url}")
    for link in re.findall(r'href="([^"]+)"', page):
        follow(urljoin(url, link))


def follow(url: str) -> None:
    if url not in seen:
        seen.add(url)
        pages.spawn(visit, url)


follow(sys.argv[1])
pages.join()
print(f"{len(seen)} pages in {time.monotonic() - start:.2f} s")
