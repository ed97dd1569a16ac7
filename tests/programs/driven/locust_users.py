"""500 users of locust's, half of them with geventhttpclient, who all ask until each
has been answered; then it ends itself."""

import gevent
from locust import FastHttpUser, HttpUser, constant, events

USERS = 500
answered: set[int] = set()


def ask(user: HttpUser | FastHttpUser) -> None:
    """What both kinds of users do."""
    with user.client.get("/page", catch_response=True) as answer:
        if answer.status_code == 200 and answer.text == "/page":
            answered.add(id(user))


class Slow(HttpUser):
    wait_time = constant(1)
    tasks = [ask]


class Fast(FastHttpUser):
    wait_time = constant(1)
    tasks = [ask]


@events.init.add_listener
def on_init(environment, **kwargs: object) -> None:
    def end() -> None:
        while len(answered) < USERS:
            gevent.sleep(0.05)
        total = environment.stats.total
        print("users", environment.runner.user_count, "failures", total.num_failures)
        environment.runner.quit()

    gevent.spawn(end)
