"""Clients of HTTP, SSH and DNS."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from endpoints import Page, Shelf, Site, make_certificate, serving
from runtimes import Runtime


@dataclass
class Addresses:
    """Where the same pages are, without and with TLS, and whom to trust."""

    certificate: Path
    http: str
    https: str


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    certificate = make_certificate(tmp_path_factory.mktemp("certificate"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(Site(Page)) as plain, serving(Site(Page, context)) as secret:
        yield Addresses(
            certificate, f"http://localhost:{plain}", f"https://localhost:{secret}"
        )


def requested(scheme: str) -> list[str]:
    """What requests_pages.py says of one address."""
    return [f"{scheme} 2000", "posted 1000000", "chunks 11111", "timed out"]


def pooled(scheme: str) -> list[str]:
    """What urllib3_pool.py says of one address."""
    return [
        f"{scheme} 1770 60",
        "connections True",
        "redirected b'/echo'",
        "ReadTimeoutError",
    ]


def test_requests(on: Runtime, pages: Addresses) -> None:
    wanted = ["after", pages.certificate, pages.http, pages.https]
    lines = [*requested("http"), *requested("https"), "refused True"]
    assert on.run("requests_pages.py", *wanted) == lines


def test_urllib3(on: Runtime, pages: Addresses) -> None:
    wanted = ["after", pages.certificate, pages.http, pages.https]
    lines = [*pooled("http"), *pooled("https")]
    assert on.run("urllib3_pool.py", *wanted) == lines


def test_imported_before(on: Runtime, pages: Addresses) -> None:
    wanted = ["before", pages.certificate, pages.http]
    assert on.run("requests_pages.py", *wanted) == requested("http")
    assert on.run("urllib3_pool.py", *wanted) == pooled("http")


@pytest.mark.parametrize("on", ["grove"], indirect=True)
def test_imported_before_over_tls(on: Runtime, pages: Addresses) -> None:
    """On gevent the options of a context that was imported before call themselves
    for ever: a RecursionError, which Grove has not."""
    wanted = ["before", pages.certificate, pages.https]
    lines = [*requested("https"), "refused True"]
    assert on.run("requests_pages.py", *wanted) == lines
    assert on.run("urllib3_pool.py", *wanted) == pooled("https")


def test_httpx(on: Runtime, pages: Addresses) -> None:
    wanted = [pages.certificate, pages.http, pages.https]
    assert on.run("httpx_pages.py", *wanted) == [
        line
        for scheme in ("http", "https")
        for line in (f"{scheme} 1000", "chunks 11111", "ReadTimeout", "limited 780")
    ]


def test_geventhttpclient(on: Runtime, pages: Addresses) -> None:
    wanted = [pages.certificate, pages.http, pages.https]
    lines = ["http 1000", "chunks 11111", "https 1000", "chunks 11111"]
    assert on.run("geventhttpclient_pages.py", *wanted) == lines


def test_boto3(on: Runtime) -> None:
    with serving(Site(Shelf)) as port:
        assert on.run("boto3_objects.py", port) == [
            "objects 465000",
            "NoSuchKey",
            "in parts True",
        ]


def test_paramiko(on: Runtime, sshd: tuple[int, Path]) -> None:
    assert on.run("paramiko_sessions.py", *sshd) == [
        "commands 30",
        "at once 3",
        "0 1 2 3 4",
        "stored 500000",
        "read 500000",
        "forwarded SSH-2.0-",
        "AuthenticationException",
    ]


def test_dnspython(on: Runtime, dnsmasq: int) -> None:
    assert on.run("dnspython_names.py", dnsmasq) == [
        "udp 30 {'192.0.2.1'}",
        "tcp 30 {'192.0.2.1'}",
        '"spoken"',
        "192.0.2.1",
        "192.0.2.1 False",
        "Timeout",
    ]
