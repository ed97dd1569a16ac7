"""Clients of brokers, which consume while others publish."""

import pytest
from runtimes import Runtime
from servers import RabbitMQ


def test_pika(on: Runtime, rabbitmq: RabbitMQ) -> None:
    assert on.run("pika_channels.py", rabbitmq.port) == [
        "blocking 9900",
        "SelectConnection True True",
        "GeventConnection True True",
    ]


@pytest.mark.parametrize("broker", ["amqp", "redis"])
def test_kombu(on: Runtime, broker: str, request: pytest.FixtureRequest) -> None:
    if broker == "amqp":
        address = f"amqp://127.0.0.1:{request.getfixturevalue('rabbitmq').port}//"
    else:
        address = f"redis://127.0.0.1:{request.getfixturevalue('redis')}/1"
    assert on.run("kombu_queues.py", address) == [
        "got 300 True",
        "simple text",
        "empty",
    ]


def test_stomp(on: Runtime, rabbitmq: RabbitMQ) -> None:
    assert on.run("stomp_messages.py", rabbitmq.stomp_port) == [
        "subscribed",
        "all True True",
        "gone True False",
    ]


def test_paho(on: Runtime, mosquitto: int) -> None:
    assert on.run("paho_messages.py", mosquitto) == [
        "subscribed True",
        "complete True True",
        "qualities [0, 1, 2]",
        "will spoken",
        "told True",
    ]


def test_kazoo(on: Runtime, zookeeper: int) -> None:
    assert on.run("kazoo_nodes.py", zookeeper) == [
        "NodeExistsError",
        "CHANGED two",
        "created 100",
        "children 101",
        "lock []",
        "elected first second",
        "queue 1 2 3",
        "DELETED",
        "False",
    ]
