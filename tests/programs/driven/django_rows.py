"""A Django application on PostgreSQL: a connection a request, transactions, and
requests that wait for the server."""

import os

import django
import gevent
import psycopg2
from django.conf import settings
from psycogreen.gevent import patch_psycopg

patch_psycopg()
settings.configure(
    SECRET_KEY="none",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "postgres",
            "USER": "postgres",
            "HOST": "127.0.0.1",
            "PORT": os.environ["DATABASE_PORT"],
        }
    },
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection, models, transaction  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402

in_use: dict[int, object] = {}  # the greenlet of each connection that is in use


class Row(models.Model):
    number = models.IntegerField()

    class Meta:
        app_label = "rows"
        db_table = "django_rows"


with connection.cursor() as cursor:
    cursor.execute("DROP TABLE IF EXISTS django_rows")
with connection.schema_editor() as editor:
    editor.create_model(Row)
owner = psycopg2.connect(
    host="127.0.0.1", port=os.environ["DATABASE_PORT"], user="postgres"
)  # of the lock that /enter waits for
owner.cursor().execute("SELECT pg_advisory_lock(8)")
connection.close()


def add(request: HttpRequest, number: int) -> HttpResponse:
    """Add a row; "shared" if another request has this one's connection."""
    with transaction.atomic():
        row = Row.objects.create(number=number)
        mine = id(connection.connection)
        if in_use.setdefault(mine, gevent.getcurrent()) is not gevent.getcurrent():
            return HttpResponse("shared")
        gevent.sleep(0)
        same = id(connection.connection) == mine
        found = Row.objects.get(pk=row.pk).number == number
    in_use.pop(mine)
    return HttpResponse("alone" if same and found else "shared")


def undo(request: HttpRequest, number: int) -> HttpResponse:
    try:
        with transaction.atomic():
            Row.objects.create(number=-number)
            gevent.sleep(0)
            raise ZeroDivisionError
    except ZeroDivisionError:
        return HttpResponse("undone")


def total(request: HttpRequest) -> HttpResponse:
    told = Row.objects.aggregate(models.Count("id"), models.Sum("number"))
    return HttpResponse(f"{told['id__count']} {told['number__sum']}")


def query(text: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(text)
        return str(cursor.fetchone()[0])


def enter(request: HttpRequest) -> HttpResponse:
    query("SELECT pg_advisory_lock(8)")
    query("SELECT pg_advisory_unlock(8)")
    return HttpResponse("entered")


def waiting(request: HttpRequest) -> HttpResponse:
    return HttpResponse(
        query(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        )
    )


def free(request: HttpRequest) -> HttpResponse:
    owner.cursor().execute("SELECT pg_advisory_unlock(8)")
    return HttpResponse("free")


urlpatterns = [
    path("add/<int:number>", add),
    path("undo/<int:number>", undo),
    path("sum", total),
    path("enter", enter),
    path("waiting", waiting),
    path("free", free),
]
application = get_wsgi_application()
