"""locust, whose users are greenlets."""

from endpoints import Page, Site, serving
from runtimes import Runtime
from servers import python_command


def test_locust(on: Runtime) -> None:
    command = [*python_command("locust", "python3-locust"), "-f", "locust_users.py"]
    command += ["--headless", "-u", "500", "-r", "500", "--only-summary"]
    command += ["--loglevel", "ERROR", "--exit-code-on-error", "1"]
    with serving(Site(Page)) as port:
        command += ["--host", f"http://127.0.0.1:{port}"]
        lines = on.run_command(command, on.environment(command=True), quiet=False)
    assert lines[0] == "users 500 failures 0"
