"""Fetch pages with requests, which knows nothing of greenlets.

    python3 fetch.py URL...

The exit status is 1 if one could not be fetched.
"""

from grove import monkey

monkey.patch_ssl()
monkey.patch_socket()
monkey.patch_select()

import argparse  # noqa: E402
import sys  # noqa: E402

import grove  # noqa: E402
import requests  # noqa: E402


def fetch(url: str) -> None:
    page = requests.get(url)
    print(f"{page.status_code} {len(page.content)} bytes from {url}")


parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("urls", metavar="URL", nargs="+")
urls = parser.parse_args().urls

tasks = grove.joinall([grove.spawn(fetch, url) for url in urls])
sys.exit(0 if all(task.successful() for task in tasks) else 1)
