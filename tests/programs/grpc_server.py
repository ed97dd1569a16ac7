"""A grpc server on plain threads: /grove/meet is answered once ten have asked."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc

meeting = threading.Barrier(10)


def meet(request: bytes, context: grpc.ServicerContext) -> bytes:
    try:
        meeting.wait(30)
    except threading.BrokenBarrierError:
        context.abort(grpc.StatusCode.UNAVAILABLE, "they have not met")
    return request * 2


def count(request: bytes, context: grpc.ServicerContext):
    for n in range(int(request)):
        yield b"%d" % n


def refuse(request: bytes, context: grpc.ServicerContext) -> bytes:
    context.abort(grpc.StatusCode.NOT_FOUND, "nothing")


methods = {
    "meet": grpc.unary_unary_rpc_method_handler(meet),
    "count": grpc.unary_stream_rpc_method_handler(count),
    "refuse": grpc.unary_unary_rpc_method_handler(refuse),
}
server = grpc.server(ThreadPoolExecutor(20))
handler = grpc.method_handlers_generic_handler("grove", methods)
server.add_generic_rpc_handlers([handler])
server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
server.start()
server.wait_for_termination()
