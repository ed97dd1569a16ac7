"""grpc with its hook for gevent: calls that wait do not hold up the others."""

import sys

from gevent import monkey

monkey.patch_all()

import gevent  # noqa: E402
import grpc  # noqa: E402
import grpc.experimental.gevent  # noqa: E402

grpc.experimental.gevent.init_gevent()
CROWD = 10
channel = grpc.insecure_channel(f"127.0.0.1:{sys.argv[1]}")

# Answered once all have asked.
call = channel.unary_unary("/grove/meet")
jobs = [gevent.spawn(call, b"%d" % n, timeout=30) for n in range(CROWD)]
gevent.joinall(jobs, raise_error=True)
print("met", sum(int(job.value) for job in jobs))

stream = channel.unary_stream("/grove/count")
print("counted", sum(int(n) for n in stream(b"100", timeout=30)))
try:
    channel.unary_unary("/grove/refuse")(b"", timeout=30)
except grpc.RpcError as error:
    print(error.code().name)
try:
    call(b"1", timeout=0.1)
except grpc.RpcError as error:
    print(error.code().name)
channel.close()
