"""urllib3: a pool of fewer connections than greenlets, retries, redirections.

urllib3 is imported before patching or after it, as the first argument says.
"""

import sys
import warnings

when, certificate, *addresses = sys.argv[1:]
if when == "before":
    warnings.simplefilter("ignore")
    import urllib3

from gevent import monkey  # noqa: E402

monkey.patch_all()

import gevent  # noqa: E402
import urllib3  # noqa: E402, F811

for address in addresses:
    scheme = address.partition(":")[0]
    with urllib3.PoolManager(maxsize=3, block=True, ca_certs=certificate) as manager:

        def page(n: int) -> bytes:
            answer = manager.request("POST", f"{address}/echo", body=b"%d" % n)
            assert answer.status == 200
            return answer.data

        jobs = [gevent.spawn(page, n) for n in range(60)]
        gevent.joinall(jobs, raise_error=True)
        pool = manager.connection_from_url(address)
        print(scheme, sum(int(j.value) for j in jobs), pool.num_requests)
        print("connections", pool.num_connections <= 3)
        print("redirected", manager.request("GET", f"{address}/moved").data)
        try:
            manager.request("GET", f"{address}/never", timeout=0.1, retries=1)
        except urllib3.exceptions.MaxRetryError as error:
            print(type(error.reason).__name__)
