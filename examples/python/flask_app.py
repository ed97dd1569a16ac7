"""A page that takes its time, and one that does not.

    gunicorn -k gevent flask_app:app

With the gevent worker, here on Grove, /quick answers while /slow sleeps.
"""

import time

from flask import Flask

app = Flask(__name__)


@app.route("/slow")
def slow() -> str:
    time.sleep(4)
    return "slow"


@app.route("/quick")
def quick() -> str:
    return "quick"
