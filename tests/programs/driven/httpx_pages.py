"""httpx: its synchronous client, in greenlets, over HTTP and HTTPS."""

import ssl
import sys

from gevent import monkey

monkey.patch_all()

import gevent  # noqa: E402
import httpx  # noqa: E402

certificate, *addresses = sys.argv[1:]
CROWD = 10
context = ssl.create_default_context(cafile=certificate)

for address in addresses:
    scheme = address.partition(":")[0]
    limits = httpx.Limits(max_connections=CROWD)
    with httpx.Client(verify=context, timeout=30, limits=limits) as client:

        def page() -> int:
            answer = client.get(f"{address}/together/{CROWD}")
            answer.raise_for_status()
            return len(answer.text)

        jobs = [gevent.spawn(page) for _ in range(CROWD)]
        gevent.joinall(jobs, raise_error=True)
        print(scheme, sum(job.value for job in jobs))
        with client.stream("GET", f"{address}/chunks") as streamed:
            print("chunks", sum(len(part) for part in streamed.iter_bytes()))
        try:
            client.get(f"{address}/never", timeout=0.1)
        except httpx.ReadTimeout as error:
            print(type(error).__name__)
    # No more connections than it may have: the others wait for one.
    with httpx.Client(verify=context, limits=httpx.Limits(max_connections=2)) as client:
        jobs = [
            gevent.spawn(client.post, f"{address}/echo", content=b"%d" % n)
            for n in range(40)
        ]
        gevent.joinall(jobs, raise_error=True)
        print("limited", sum(int(job.value.content) for job in jobs))
