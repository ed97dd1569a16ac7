"""paho: a client's network loop is a greenlet; all three qualities of service."""

import sys

from gevent import monkey

monkey.patch_all()

import gevent  # noqa: E402
import paho.mqtt.client as mqtt  # noqa: E402
from gevent.event import Event  # noqa: E402

port = int(sys.argv[1])
subscribed, complete, gone = Event(), Event(), Event()
got: list[tuple[int, int]] = []


def on_message(client: mqtt.Client, _, message: mqtt.MQTTMessage) -> None:
    got.append((message.qos, int(message.payload)))
    if len(got) == 150:
        complete.set()


def on_will(client: mqtt.Client, _, message: mqtt.MQTTMessage) -> None:
    print("will", message.payload.decode())
    gone.set()


receiver = mqtt.Client("receiver")
receiver.on_subscribe = lambda *_: subscribed.set()
receiver.on_message = on_message
receiver.message_callback_add("will", on_will)
receiver.connect("127.0.0.1", port)
receiver.loop_start()
receiver.subscribe([("numbers", 2), ("will", 1)])
print("subscribed", subscribed.wait(30))


def publish(first: int) -> None:
    client = mqtt.Client(f"sender{first}")
    client.connect("127.0.0.1", port)
    client.loop_start()
    sent = [client.publish("numbers", n, qos=n % 3) for n in range(first, first + 30)]
    for message in sent:
        message.wait_for_publish(30)
    client.disconnect()
    client.loop_stop()


gevent.joinall([gevent.spawn(publish, n) for n in range(0, 150, 30)], raise_error=True)
print("complete", complete.wait(30), sorted(n for _, n in got) == list(range(150)))
print("qualities", sorted({qos for qos, _ in got}))

brief = mqtt.Client("brief")
brief.will_set("will", "spoken", qos=1)
brief.connect("127.0.0.1", port)
while not brief.is_connected():
    brief.loop(0.1)
brief._sock.shutdown(2)  # it is lost, not ended
print("told", gone.wait(30))
receiver.disconnect()
receiver.loop_stop()
