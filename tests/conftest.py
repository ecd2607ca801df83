"""The ground every test stands on: a database and a Redis of its own, and no network but loopback.

EGGAPI_TEST_DB says which mode the product is tested in: `postgres` (the default; PostgreSQL and Redis)
or `sqlite` (the embedded mode). Every process of a run, be it an xdist worker or the only one, has its
own database, Redis number and EGGAPI_HOME, in its environment, where the processes it starts find them.
TEST_DATABASE_URL and TEST_REDIS_URL name servers to use instead of new ones.
"""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import django
import pytest
import redis
from django.conf import settings
from django.core.cache import cache
from django.test import TransactionTestCase
from hypothesis import settings as hypothesis

from eggapi import ratelimit
from tests import emptying
from tests.servers import Server, start_postgres, start_redis, stop_site

if TYPE_CHECKING:
    from accounts.models import User

DATABASE = os.environ.setdefault("EGGAPI_TEST_DB", "postgres")
PROCESS = os.environ.get("PYTEST_XDIST_WORKER", "main")
SERVERS: list[Server] = []

# The same examples each time: what only some runs would find, no change of somebody else's should be blamed for.
hypothesis.register_profile("repeatable", derandomize=True, deadline=None, database=None)
hypothesis.load_profile("repeatable")


def _start_servers() -> None:
    """In the first process of a run: what it starts here, the xdist workers inherit by environment."""
    folder = Path(tempfile.mkdtemp(prefix="egg-"))
    os.environ["EGGAPI_TEST_FOLDER"] = str(folder)
    if DATABASE == "postgres" and "TEST_DATABASE_URL" not in os.environ:
        SERVERS.append(start_postgres(folder))
        os.environ["TEST_DATABASE_URL"] = SERVERS[-1].url
    if "TEST_REDIS_URL" not in os.environ:
        SERVERS.append(start_redis(folder))
        os.environ["TEST_REDIS_URL"] = SERVERS[-1].url


def _redis_url() -> str:
    number = 0 if PROCESS == "main" else 1 + int(PROCESS.removeprefix("gw"))
    return urlsplit(os.environ["TEST_REDIS_URL"])._replace(path=f"/{number}").geturl()


def _set_up_django() -> None:
    """Before anything imports a model, and with the environment the product itself reads."""
    if settings.configured or "DJANGO_SETTINGS_MODULE" in os.environ:
        raise pytest.UsageError("Unset DJANGO_SETTINGS_MODULE: the tests choose a database before Django loads.")
    os.environ |= {"EGGAPI_HOME": f"{os.environ['EGGAPI_TEST_FOLDER']}/{PROCESS}", "EGGAPI_POOL": "4"}
    if DATABASE == "postgres":
        server = urlsplit(os.environ["TEST_DATABASE_URL"])
        os.environ["DATABASE_URL"] = server._replace(path=f"/eggapi_test_{PROCESS}").geturl()
        os.environ["REDIS_URL"] = _redis_url()
    else:
        os.environ.pop("DATABASE_URL", None)
        os.environ.pop("REDIS_URL", None)
    os.environ["DJANGO_SETTINGS_MODULE"] = "eggapi.settings"
    # The database is already the tests' own, under the name that other processes know it by.
    settings.DATABASES["default"]["TEST"] = {"NAME": settings.DATABASES["default"]["NAME"]}
    if DATABASE == "postgres":
        # A machine that pauses for seconds is no fault of ours.
        options = settings.DATABASES["default"]["OPTIONS"]
        options["pool"]["timeout"] = 20
        options["options"] = "-c statement_timeout=60000 -c lock_timeout=10000"
    # A hash that is slow on purpose keeps nobody out here.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    TransactionTestCase._fixture_teardown = lambda self: emptying.empty()  # type: ignore[attr-defined]
    django.setup()
    del os.environ["DJANGO_SETTINGS_MODULE"]  # an xdist worker must come here before it loads the settings


def _close_the_network() -> None:
    """Refuse every connection but to this machine, and every look-up of a name but localhost."""
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def check(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else "localhost"  # else a path: a Unix socket
        if host != "localhost" and not ip_address(host).is_loopback:
            self.close()
            raise RuntimeError(f"The network is closed in tests: {host}")  # no OSError: nobody shall catch it

    def guarded_connect(self: socket.socket, address: Any) -> None:
        check(self, address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        check(self, address)
        return connect_ex(self, address)

    def guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in (None, "", "localhost"):
            try:
                ip_address(name)
            except ValueError:
                raise socket.gaierror(socket.EAI_NONAME, f"The network is closed in tests: {name}") from None
        return getaddrinfo(host, *args, **kwargs)

    socket.socket.connect = guarded_connect  # type: ignore[assignment, method-assign]
    socket.socket.connect_ex = guarded_connect_ex  # type: ignore[assignment, method-assign]
    socket.getaddrinfo = guarded_getaddrinfo


if PROCESS == "main":
    _start_servers()
_set_up_django()
_close_the_network()


def pytest_unconfigure() -> None:
    if PROCESS == "main":
        for server in SERVERS:
            server.stop()
        stop_site(Path(os.environ["EGGAPI_TEST_FOLDER"]))
        shutil.rmtree(os.environ["EGGAPI_TEST_FOLDER"], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if DATABASE != "postgres":
        skip = pytest.mark.skip(reason="needs PostgreSQL")
        for item in items:
            if item.get_closest_marker("postgres_only"):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """Nothing: every process already has a database name of its own."""


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    """Rate limits, wake-ups and queued doorbells of one test are not the next one's."""
    from eggapi import switches  # whose models want Django set up
    from generation import backlog

    yield
    backlog.forget()
    switches.forget()
    ratelimit.local.clear()
    if DATABASE != "postgres":
        cache.clear()
        return
    with redis.Redis.from_url(_redis_url()) as client:
        # Celery's bindings stay: a connection declares its queue only once.
        if keys := [key for key in client.scan_iter(count=1000) if not key.startswith(b"_kombu.")]:
            client.delete(*keys)


@pytest.fixture
def admin_user(admin_user: "User") -> "User":
    """Has a second factor, without which nobody operates outside of the embedded mode."""
    from allauth.mfa.models import Authenticator

    Authenticator.objects.create(user=admin_user, type=Authenticator.Type.TOTP, data={})
    return admin_user


@pytest.fixture
def database_url() -> str:
    """The test database as another process reaches it. Use with `@pytest.mark.django_db(transaction=True)`."""
    return os.environ.get("DATABASE_URL") or f"sqlite:///{settings.DATABASES['default']['NAME']}"


@pytest.fixture
def redis_url() -> str:
    """This process's own database of the run's Redis."""
    return _redis_url()


@pytest.fixture
def egg_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder for an installation of its own: processes the test starts are embedded there.

    One that shall share the test's database instead is given `database_url` and `redis_url`.
    """
    home = tmp_path / "home"
    monkeypatch.setenv("EGGAPI_HOME", str(home))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)
    return home
