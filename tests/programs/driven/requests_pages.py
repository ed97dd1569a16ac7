"""requests: pages over HTTP and HTTPS that are answered once all are asked for.

requests is imported before patching or after it, as the first argument says.
"""

import sys
import warnings

when, certificate, *addresses = sys.argv[1:]
if when == "before":
    # gevent warns of ssl, which has been imported.
    warnings.simplefilter("ignore")
    import requests

from gevent import monkey  # noqa: E402

monkey.patch_all()

import gevent  # noqa: E402
import requests  # noqa: E402, F811

CROWD = 20


def page(session: requests.Session, address: str) -> int:
    answer = session.get(address, timeout=30, verify=certificate)
    answer.raise_for_status()
    return len(answer.text)


def crowd(address: str) -> int:
    """How long the pages are, all of which are waited for at once."""
    with requests.Session() as session:
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=CROWD)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        wanted = f"{address}/together/{CROWD}"
        jobs = [gevent.spawn(page, session, wanted) for _ in range(CROWD)]
        gevent.joinall(jobs, raise_error=True)
        return sum(job.value for job in jobs)


for address in addresses:
    scheme = address.partition(":")[0]
    print(scheme, crowd(address))
    posted = requests.post(
        f"{address}/echo", data=b"x" * 1_000_000, verify=certificate, timeout=30
    )
    print("posted", len(posted.content))
    with requests.get(
        f"{address}/chunks", stream=True, verify=certificate, timeout=30
    ) as streamed:
        print("chunks", sum(len(part) for part in streamed.iter_content(1000)))
    try:
        requests.get(f"{address}/never", verify=certificate, timeout=0.1)
    except requests.exceptions.ReadTimeout:
        print("timed out")

    if scheme == "https":
        try:
            requests.get(f"{address}/", timeout=30)
        except requests.exceptions.SSLError as error:
            print("refused", "CERTIFICATE_VERIFY_FAILED" in str(error))
