"""paramiko, whose transports are threads: commands, a shell, files, a forward."""

import sys

from gevent import monkey

monkey.patch_all()

import gevent  # noqa: E402
import paramiko  # noqa: E402

port, key = int(sys.argv[1]), sys.argv[2]


def connect() -> paramiko.SSHClient:
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect("127.0.0.1", port, key_filename=key, allow_agent=False, timeout=30)
    return client


def command(n: int) -> int:
    client = connect()
    _, output, _ = client.exec_command(f"expr {n} + {n}")
    answer = int(output.read())
    assert output.channel.recv_exit_status() == 0
    client.close()
    return answer


jobs = [gevent.spawn(command, n) for n in range(1, 6)]
gevent.joinall(jobs, raise_error=True)
print("commands", sum(job.value for job in jobs))

client = connect()
# Channels of one connection: those that wait do not hold up the one that answers.
waiting = [client.exec_command("read line; echo got $line") for _ in range(5)]
_, output, _ = client.exec_command("echo at once; exit 3")
print(output.read().decode().strip(), output.channel.recv_exit_status())
for n, (given, _, _) in enumerate(waiting):
    given.write(f"{n}\n")
    given.flush()
print(*(output.read().decode().split()[1] for _, output, _ in waiting))

with client.open_sftp() as files:
    with files.open("/dev/shm/grove-paramiko", "w") as file:
        file.write("z" * 500_000)
    print("stored", files.stat("/dev/shm/grove-paramiko").st_size)
    with files.open("/dev/shm/grove-paramiko") as file:
        file.prefetch()
        print("read", len(file.read()))
    files.remove("/dev/shm/grove-paramiko")

forward = client.get_transport().open_channel(
    "direct-tcpip", ("127.0.0.1", port), ("127.0.0.1", 0)
)
print("forwarded", forward.recv(8).decode())
client.close()

try:
    paramiko.Transport(("127.0.0.1", port)).connect(username="root", password="wrong")
except paramiko.AuthenticationException as error:
    print(type(error).__name__)
