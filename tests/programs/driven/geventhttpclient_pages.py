"""geventhttpclient, whose parser is compiled: a pool of connections, HTTPS."""

import sys

from gevent import monkey

monkey.patch_all()

import gevent  # noqa: E402
from geventhttpclient import HTTPClient  # noqa: E402

certificate, *addresses = sys.argv[1:]
CROWD = 10

for address in addresses:
    scheme = address.partition(":")[0]
    options = {"ssl_options": {"ca_certs": certificate}} if scheme == "https" else {}
    client = HTTPClient.from_url(
        address, concurrency=CROWD, network_timeout=30, connection_timeout=30, **options
    )

    def page() -> int:
        answer = client.get(f"/together/{CROWD}")
        assert answer.status_code == 200
        return len(answer.read())

    jobs = [gevent.spawn(page) for _ in range(CROWD)]
    gevent.joinall(jobs, raise_error=True)
    print(scheme, sum(job.value for job in jobs))
    print("chunks", len(client.get("/chunks").read()))
    client.close()
