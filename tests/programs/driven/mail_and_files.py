"""smtplib, imaplib and ftplib, in greenlets, at servers of the real kind."""

import sys

from gevent import monkey

monkey.patch_all()

import email.message  # noqa: E402
import ftplib  # noqa: E402
import imaplib  # noqa: E402
import io  # noqa: E402
import smtplib  # noqa: E402

import gevent  # noqa: E402

which, port = sys.argv[1], int(sys.argv[2])


def crowd(function: object) -> list:
    jobs = [gevent.spawn(function, n) for n in range(10)]
    gevent.joinall(jobs, raise_error=True)
    return [job.value for job in jobs]


def post(n: int) -> dict:
    message = email.message.EmailMessage()
    message["Subject"] = f"letter {n}"
    message.set_content("é" * 10_000)
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        return client.send_message(message, "a@grove", [f"b{n}@grove"])


def mailbox(n: int) -> int:
    client = imaplib.IMAP4("127.0.0.1", port, timeout=30)
    client.login(f"user{n}", "secret")
    for letter in range(5):
        text = f"Subject: letter {letter}\r\n\r\n{'x' * 1000}\r\n".encode()
        client.append("INBOX", None, None, text)
    client.select()
    _, (found,) = client.search(None, "ALL")
    size = sum(
        len(client.fetch(number, "(RFC822)")[1][0][1]) for number in found.split()
    )
    for number in found.split():
        client.store(number, "+FLAGS", "\\Deleted")
    client.expunge()
    client.logout()
    return size


def files(n: int) -> int:
    with ftplib.FTP() as client:
        client.connect("127.0.0.1", port, 30)
        client.login()
        client.storbinary(f"STOR file{n}", io.BytesIO(b"x" * 100_000 * (n + 1)))
        got = io.BytesIO()
        client.retrbinary(f"RETR file{n}", got.write)
        assert f"file{n}" in client.nlst()
        client.delete(f"file{n}")
        return len(got.getvalue())


if which == "smtp":
    print(crowd(post) == [{}] * 10)
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        print(client.docmd("NONSENSE")[0])
elif which == "imap":
    print(sum(crowd(mailbox)))
    try:
        imaplib.IMAP4("127.0.0.1", port, timeout=30).login("user", "wrong")
    except imaplib.IMAP4.error:
        print("refused")
else:
    print(sum(crowd(files)))
    with ftplib.FTP() as client:
        client.connect("127.0.0.1", port, 30)
        client.login()
        try:
            client.retrbinary("RETR nothing", print)
        except ftplib.error_perm as error:
            print(str(error)[:3])
