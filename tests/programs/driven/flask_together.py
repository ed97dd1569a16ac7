"""A Flask application whose requests wait for each other."""

import flask
import gevent
from gevent.event import Event

app = flask.Flask(__name__)
crowds: dict[int, list[Event]] = {}


@app.get("/together/<int:crowd>")
def together(crowd: int) -> str:
    """Answered once so many have asked."""
    me = Event()
    here = crowds.setdefault(crowd, [])
    here.append(me)
    if len(here) == crowd:
        for event in here:
            event.set()
    return "together" if me.wait(60) else "alone"


@app.get("/here/<int:crowd>")
def here(crowd: int) -> str:
    """How many have asked for that, while they wait."""
    return str(len(crowds.get(crowd, ())))


@app.post("/echo")
def echo() -> bytes:
    return flask.request.get_data()


@app.get("/chunks")
def chunks() -> flask.Response:
    def parts():
        for n in range(10):
            gevent.sleep(0.01)
            yield str(n)

    return flask.Response(parts())
