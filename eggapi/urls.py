from django.contrib import admin
from django.urls import include, path

from billing import api as billing
from eggapi import openapi
from eggapi.serving import health, metrics
from generation import api as generation
from generation import views as files

urlpatterns = [
    path("v1/generate", generation.Generate.as_view()),
    path("v1/tasks", generation.TaskList.as_view()),
    path("v1/tasks/<str:task_id>", generation.TaskDetail.as_view()),
    path("v1/models", generation.ModelList.as_view()),
    path("v1/usage", billing.UsageList.as_view()),
    path("v1/usage/summary", billing.UsageSummary.as_view()),
    path("v1/balance", billing.Balance.as_view()),
    path("openapi.json", openapi.openapi_json),
    path("files/<path:path>", files.file),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", metrics.metrics),
    path("admin/", admin.site.urls),
    path("", include("accounts.urls")),
]

handler400 = "eggapi.envelope.bad_request"
handler403 = "eggapi.envelope.forbidden"
handler404 = "eggapi.envelope.not_found"
handler500 = "eggapi.envelope.server_error"
