"""bottle on its gevent server, CherryPy on threads that are greenlets: pages that
are answered once all are asked for."""

import sys

from gevent import monkey

monkey.patch_all()

import threading  # noqa: E402
import urllib.request  # noqa: E402

import gevent  # noqa: E402
from gevent.socket import create_connection  # noqa: E402

which, port = sys.argv[1], int(sys.argv[2])
CROWD = 5
barrier = threading.Barrier(CROWD)


def page(n: int) -> int:
    address = f"http://127.0.0.1:{port}/meet/{n}"
    with urllib.request.urlopen(address, timeout=30) as answer:
        return int(answer.read())


def ask_all() -> None:
    """Ask, once somebody listens, all at the same time."""
    while True:
        try:
            create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            gevent.sleep(0.01)
    for _ in range(3):
        jobs = [gevent.spawn(page, n) for n in range(CROWD)]
        gevent.joinall(jobs, raise_error=True)
        print(which, sum(job.value for job in jobs))


if which == "bottle":
    import bottle

    app = bottle.Bottle()

    @app.route("/meet/<n:int>")
    def meet(n: int) -> str:
        bottle.request.environ["n"] = n
        barrier.wait(30)
        return str(bottle.request.environ["n"] * 10)

    serving = gevent.spawn(
        app.run, server="gevent", host="127.0.0.1", port=port, quiet=True, log=None
    )
    ask_all()
    serving.kill()

elif which == "cherrypy":
    import cherrypy

    class Root:
        @cherrypy.expose
        def meet(self, n: str) -> str:
            cherrypy.request.n = int(n)
            barrier.wait(30)
            return str(cherrypy.request.n * 10)

    cherrypy.config.update(
        {
            "server.socket_host": "127.0.0.1",
            "server.socket_port": port,
            "server.thread_pool": CROWD,
            "engine.autoreload.on": False,
            "log.screen": False,
            "checker.on": False,
        }
    )
    cherrypy.tree.mount(Root())
    cherrypy.engine.start()
    ask_all()
    cherrypy.engine.exit()
    print(cherrypy.engine.state.name)
