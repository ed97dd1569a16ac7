"""Client libraries in C that know nothing of Grove, patched: their waits overlap."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from endpoints import Site, Slow, serving
from libraries import CLIENTS, WAIT, build, run

N = 50


@pytest.fixture
def slow() -> Iterator[int]:
    with serving(Site(Slow)) as port:
        yield port


@pytest.mark.parametrize("name", CLIENTS)
def test_waits_overlap(name: str, tmp_path: Path, request: pytest.FixtureRequest):
    client = CLIENTS[name]
    if not client.installed():
        pytest.skip(f"no {client.package}: tools/setup programs installs it")
    where = client.where.format(request.getfixturevalue(client.server))
    program = build(client, tmp_path / "client")
    plain = run(program, "plain", 4, where)
    patched = run(program, "patched", N, where)
    print(f"{name}: {N} patched {patched.seconds} s, 4 plain {plain.seconds} s")
    assert (plain.well, patched.well) == (4, N)
    assert plain.seconds >= 4 * WAIT  # one after the other
    assert patched.seconds < N * WAIT / 5  # at once, on a machine that is busy, too
    assert patched.threads == 1
