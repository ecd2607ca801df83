"""All settings, in one file.

Without any environment variable this is the embedded mode: SQLite, an in-process broker, local files
and the sandbox provider. Environment variables alone turn it into PostgreSQL, Redis and S3. The code
never asks which mode it is in.
"""

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from eggapi import money
from eggapi.operating.unfold import UNFOLD as UNFOLD
from eggapi.secretfile import read_or_make
from eggapi.signin import SIGN_IN
from eggapi.spectacular import SPECTACULAR_SETTINGS as SPECTACULAR_SETTINGS

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent


def flag(name: str, default: bool) -> bool:
    """True or False and nothing else: "yes" or a typing error must not switch something off unseen."""
    value = os.environ.get(name, "")
    if value not in ("", "True", "False"):
        raise ImproperlyConfigured(f"{name} must be True or False, not {value!r}")
    return value == "True" if value else default


def number(name: str, default: int, least: int = 0, most: int | None = None) -> int:
    value = os.environ.get(name, "")
    if not value:
        return default
    if not value.isdecimal() or int(value) < least or (most is not None and int(value) > most):
        upto = "" if most is None else f" and at most {most}"
        raise ImproperlyConfigured(f"{name} must be a whole number of at least {least}{upto}, not {value!r}")
    return int(value)


def choice(name: str, default: str, among: tuple[str, ...]) -> str:
    value = os.environ.get(name) or default
    if value not in among:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(among)}, not {value!r}")
    return value


def dollars(name: str) -> int:
    """Micro-dollars, at least nothing."""
    try:
        amount = money.parse(os.environ.get(name) or "0")
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from None
    if amount < 0:
        raise ImproperlyConfigured(f"{name} must be at least 0")
    return amount


def words(name: str) -> list[str]:
    """A comma-separated list."""
    return [word.strip() for word in os.environ.get(name, "").split(",") if word.strip()]


EGGAPI_HOME = Path(os.environ.get("EGGAPI_HOME") or "var").resolve()
DATABASE_URL = os.environ.get("DATABASE_URL", "")
REDIS_URL = os.environ.get("REDIS_URL", "")
EGGAPI_EMBEDDED = not (DATABASE_URL or REDIS_URL)

# -- secrets ---------------------------------------------------------------------------------------

try:
    _secrets = read_or_make(EGGAPI_HOME / "secrets.json")
except OSError as error:
    raise ImproperlyConfigured(f"EGGAPI_HOME {EGGAPI_HOME} cannot be used: {error.strerror}.") from error
# The first of each makes what is new; all are good for what is there.
SECRET_KEY, *SECRET_KEY_FALLBACKS = words("EGGAPI_SECRET_KEY") or _secrets["secret_keys"]
EGGAPI_PEPPERS = words("EGGAPI_PEPPER") or _secrets["peppers"]
EGGAPI_FERNET_KEYS = words("EGGAPI_FERNET_KEYS") or _secrets["fernet_keys"]

# -- web -------------------------------------------------------------------------------------------

DEBUG = flag("DEBUG", False)
EGGAPI_PUBLIC_URL = os.environ.get("EGGAPI_PUBLIC_URL", "").rstrip("/")
# Where `serve` listens. Only the default port gives way to the next free one.
EGGAPI_HOST = os.environ.get("HOST") or "127.0.0.1"
EGGAPI_PORT = number("PORT", 8000, most=65535)
EGGAPI_PORT_IS_EXACT = bool(os.environ.get("PORT"))
# Where we are without a public address; `serve` puts the port it really got.
EGGAPI_LOCAL_URL = f"http://127.0.0.1:{EGGAPI_PORT}"
ALLOWED_HOSTS = words("ALLOWED_HOSTS") or (
    [urlsplit(EGGAPI_PUBLIC_URL).hostname or "*"] if EGGAPI_PUBLIC_URL else ["*"]
)
if EGGAPI_PUBLIC_URL:
    ALLOWED_HOSTS += ["127.0.0.1", "localhost"]
CSRF_TRUSTED_ORIGINS = [EGGAPI_PUBLIC_URL] if EGGAPI_PUBLIC_URL else []
EGGAPI_TRUSTED_PROXIES = number("EGGAPI_TRUSTED_PROXIES", 0)
ROOT_URLCONF = "eggapi.urls"
WSGI_APPLICATION = "eggapi.wsgi.application"
APPEND_SLASH = False

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "eggapi.envelope.csrf_failure"
_https = EGGAPI_PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _https
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if EGGAPI_TRUSTED_PROXIES else None

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "eggapi.operating.apps.OperatingConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "csp",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "eggapi.apps.EggAPIConfig",
    "accounts",
    "billing",
    "webhooks",
    "generation",
]

MIDDLEWARE = [
    "eggapi.requestlog.RequestLog",
    "eggapi.whence.Whence",
    "django.middleware.security.SecurityMiddleware",
    "eggapi.compression.Compression",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "eggapi.serving.frame.frame",
            ],
        },
    }
]

STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True  # served from where they lie: nothing to collect

# -- sign-in ---------------------------------------------------------------------------------------

vars().update(SIGN_IN)
# Id and secret of our application there; without them its button is not shown.
_apps = {
    "github": (os.environ.get("GITHUB_CLIENT_ID", ""), os.environ.get("GITHUB_CLIENT_SECRET", "")),
    "google": (os.environ.get("GOOGLE_CLIENT_ID", ""), os.environ.get("GOOGLE_CLIENT_SECRET", "")),
}
_scopes = {"github": ["user:email"], "google": ["email"]}
_doors = {"github": "https://github.com", "google": "https://accounts.google.com"}
SOCIALACCOUNT_PROVIDERS = {
    name: {"APPS": [{"client_id": id_, "secret": secret}], "SCOPE": _scopes[name], "OAUTH_PKCE_ENABLED": True}
    for name, (id_, secret) in _apps.items()
    if id_ and secret
}
INSTALLED_APPS += [f"allauth.socialaccount.providers.{name}" for name in SOCIALACCOUNT_PROVIDERS]
EGGAPI_SIGNUP = choice("EGGAPI_SIGNUP", "open", ("open", "invite", "closed"))
EGGAPI_SIGNUP_CREDIT = dollars("EGGAPI_SIGNUP_CREDIT")  # on the live wallet of a confirmed address
EGGAPI_SIGNUP_CREDITS_PER_IP = number("EGGAPI_SIGNUP_CREDITS_PER_IP", 3, least=1)  # per UTC day
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = os.environ.get("EMAIL_FROM") or f"eggapi@{urlsplit(EGGAPI_PUBLIC_URL).hostname or 'localhost'}"

# -- database --------------------------------------------------------------------------------------

if DATABASE_URL:
    DATABASES = {"default": env.db_url_config(DATABASE_URL)}
else:
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": EGGAPI_HOME / "eggapi.sqlite3"}}

EGGAPI_THREADS = number("EGGAPI_THREADS", 8 if DATABASE_URL else 4, least=1)
_database = DATABASES["default"]
if _database.get("ENGINE") not in ("django.db.backends.sqlite3", "django.db.backends.postgresql"):
    raise ImproperlyConfigured("DATABASE_URL must be postgres://USER:PASSWORD@HOST/NAME or sqlite:///PATH.")
if _database["ENGINE"] == "django.db.backends.sqlite3":
    # IMMEDIATE takes the write lock when a transaction begins and waits for it; the default takes it
    # at the first write and then fails with "database is locked".
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON; PRAGMA mmap_size=134217728"
        ),
    }
else:
    # Prepared statements need both server_side_binding and prepare_threshold.
    _database["CONN_HEALTH_CHECKS"] = True
    _database["OPTIONS"] = {
        **_database.get("OPTIONS", {}),
        "pool": {
            "min_size": 1,
            "max_size": number("EGGAPI_POOL", EGGAPI_THREADS + 4, least=2),
            "timeout": 3,
            # It tries again at once for whoever asks after that; by default it doubles its pauses for five minutes.
            "reconnect_timeout": 2,
        },
        "server_side_binding": True,
        "prepare_threshold": 1,
        "connect_timeout": 3,
        "options": "-c statement_timeout=5000 -c lock_timeout=2000 -c idle_in_transaction_session_timeout=30000",
    }

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
FORMAT_MODULE_PATH = "eggapi.formats"

# -- cache and broker ------------------------------------------------------------------------------

if REDIS_URL:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": REDIS_URL,
            # A Redis that hangs would hold up whoever asks it.
            "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},
        }
    }
else:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

CELERY_BROKER_URL = REDIS_URL or "memory://localhost"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {"visibility_timeout": 120, "socket_timeout": 5, "socket_connect_timeout": 2}
    if REDIS_URL
    else {"polling_interval": 0.05}  # the default of a second would start a few tasks a second
)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 100
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"

# -- files -----------------------------------------------------------------------------------------

EGGAPI_S3_BUCKET = os.environ.get("EGGAPI_S3_BUCKET", "")
EGGAPI_S3_PUBLIC_URL = os.environ.get("EGGAPI_S3_PUBLIC_URL", "").rstrip("/")
if EGGAPI_S3_BUCKET:
    from botocore.config import Config  # takes a third of a second, which is for those who need it

    _files = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": EGGAPI_S3_BUCKET,
            "endpoint_url": os.environ.get("EGGAPI_S3_ENDPOINT") or None,
            "access_key": os.environ.get("EGGAPI_S3_KEY") or None,
            "secret_key": os.environ.get("EGGAPI_S3_SECRET") or None,
            "region_name": os.environ.get("EGGAPI_S3_REGION") or "auto",
            "querystring_expire": 300,
            "file_overwrite": True,
            "client_config": Config(
                signature_version="s3v4",
                # R2 and others refuse the checksums that boto3 adds by itself.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                connect_timeout=5,
                read_timeout=20,
                retries={"mode": "standard", "total_max_attempts": 2},
            ),
        },
    }
else:
    _files = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": EGGAPI_HOME / "files", "base_url": "/files/", "allow_overwrite": True},
    }
STORAGES = {
    "default": _files,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
FILE_UPLOAD_PERMISSIONS = 0o600

# -- what our pages may load -----------------------------------------------------------------------

_origins = [
    f"{parts.scheme}://{parts.netloc}"
    for parts in map(urlsplit, [EGGAPI_S3_PUBLIC_URL, os.environ.get("EGGAPI_S3_ENDPOINT", "")])
    if parts.netloc
]
# Pictures in a bucket are shown by a redirect to it, which has to be allowed too.
_picture_origins = _origins or (["https://*.amazonaws.com"] if EGGAPI_S3_BUCKET else [])
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:", "blob:", *_picture_origins],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "manifest-src": ["'self'"],
        "base-uri": ["'none'"],
        # Browsers ask this of where a form of ours leads on to, too.
        "form-action": ["'self'", "https://checkout.stripe.com", *(_doors[name] for name in SOCIALACCOUNT_PROVIDERS)],
        "frame-ancestors": ["'none'"],
    }
}

# -- the API ---------------------------------------------------------------------------------------

DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["eggapi.envelope.EnvelopeRenderer"],
    "DEFAULT_PARSER_CLASSES": ["eggapi.envelope.StrictJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "eggapi.envelope.AlwaysJSON",
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.BearerKey"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "eggapi.openapi.Schema",
    "EXCEPTION_HANDLER": "eggapi.envelope.exception_handler",
    "UNAUTHENTICATED_USER": None,
}

# -- EggAPI ----------------------------------------------------------------------------------------

EGGAPI_INIT_EMAIL = os.environ.get("EGGAPI_INIT_EMAIL") or "demo@example.com"
# Adapter -> credential, of EGGAPI_PROVIDER_<NAME>_KEY.
EGGAPI_PROVIDER_KEYS = {
    found[1].lower(): value.strip()
    for name, value in os.environ.items()
    if value.strip() and (found := re.fullmatch("EGGAPI_PROVIDER_([A-Z0-9_]+)_KEY", name))
}
EGGAPI_PRIVATE_HOSTS_ALLOWED = frozenset(words("EGGAPI_PRIVATE_HOSTS_ALLOWED"))
EGGAPI_OPS_EMAIL = os.environ.get("EGGAPI_OPS_EMAIL", "")
EGGAPI_OPS_WEBHOOK = os.environ.get("EGGAPI_OPS_WEBHOOK", "")
# Top-ups are on with both.
EGGAPI_STRIPE_SECRET_KEY = os.environ.get("EGGAPI_STRIPE_SECRET_KEY", "")
EGGAPI_STRIPE_WEBHOOK_SECRET = os.environ.get("EGGAPI_STRIPE_WEBHOOK_SECRET", "")
EGGAPI_STRIPE_URL = "https://api.stripe.com"
EGGAPI_DRAIN_SECONDS = number("EGGAPI_DRAIN_SECONDS", 60)
EGGAPI_SHED_SECONDS = number("EGGAPI_SHED_SECONDS", 20, least=1)
EGGAPI_RETENTION_DAYS = number("EGGAPI_RETENTION_DAYS", 15, least=1)
EGGAPI_OPEN_TASKS = number("EGGAPI_OPEN_TASKS", 1000, least=1)
EGGAPI_SUBMITS_PER_MINUTE = number("EGGAPI_SUBMITS_PER_MINUTE", 10_000, least=1)  # per account; a tenth at once
EGGAPI_READS_PER_MINUTE = number("EGGAPI_READS_PER_MINUTE", 60_000, least=1)  # per key

# -- logs ------------------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "eggapi.requestlog.JSONFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": os.environ.get("EGGAPI_LOG_LEVEL") or "INFO"},
    "loggers": {
        # Our own line per request says more, and its exc_info would put the request's data into the log.
        "django.request": {"level": "CRITICAL"},
        "django.server": {"level": "CRITICAL"},
        "celery": {"level": "WARNING"},
        "kombu": {"level": "WARNING"},
        "stripe": {"level": "WARNING"},
        "waitress.queue": {"level": "ERROR"},
    },
}
