from django.contrib import admin
from django.urls import include, path

from accounts import api as accounts
from accounts.preferences import key_shown
from billing import api as billing
from eggapi import docs, openapi
from eggapi.serving import account, health, metrics
from generation import api as generation
from generation.views import files
from webhooks.api import dashboard as webhooks
from webhooks.api.feed import EventFeed

urlpatterns = [
    path("v1/generate", generation.Generate.as_view()),
    path("v1/tasks", generation.TaskList.as_view()),
    path("v1/tasks/<str:task_id>", generation.TaskDetail.as_view()),
    path("v1/tasks/<str:task_id>/cancel", generation.TaskCancel.as_view()),
    path("v1/tasks/<str:task_id>/receipt", generation.TaskReceipt.as_view()),
    path("v1/tasks/<str:task_id>/events", generation.TaskEvents.as_view()),
    path("v1/events", EventFeed.as_view()),
    path("v1/models", generation.ModelList.as_view()),
    path("v1/usage", billing.UsageList.as_view()),
    path("v1/usage/summary", billing.UsageSummary.as_view()),
    path("v1/balance", billing.Balance.as_view()),
    path("v1/redeem", billing.Redeem.as_view()),
    path("v1/topups", billing.TopUps.as_view()),
    path("v1/statements/<str:month>.csv", billing.StatementCSV.as_view()),
    path("v1/statements/<str:month>.pdf", billing.StatementPDF.as_view()),
    path("v1/keys", accounts.KeyList.as_view()),
    path("v1/keys/report", accounts.KeyReport.as_view()),
    path("v1/keys/revoke_all", accounts.KeyRevokeAll.as_view()),
    path("v1/keys/<int:key_id>/roll", accounts.KeyRoll.as_view()),
    path("v1/keys/<int:key_id>/disable", accounts.KeyDisable.as_view()),
    path("v1/keys/<int:key_id>/enable", accounts.KeyEnable.as_view()),
    path("v1/keys/<int:key_id>/revoke", accounts.KeyRevoke.as_view()),
    path("v1/webhooks/deliveries", webhooks.DeliveryList.as_view()),
    path("v1/webhooks/deliveries/<str:event_id>", webhooks.DeliveryDetail.as_view()),
    path("v1/webhooks/deliveries/<str:event_id>/resend", webhooks.Resend.as_view()),
    path("v1/webhooks/recover", webhooks.Recover.as_view()),
    path("v1/webhooks/replay", webhooks.Replay.as_view()),
    path("v1/webhooks/test", webhooks.SendTest.as_view()),
    path("v1/webhooks/secret/rotate", webhooks.RotateSecret.as_view()),
    path("v1/webhooks/origins", webhooks.OriginList.as_view()),
    path("v1/account/export", account.AccountExport.as_view()),
    path("v1/account/delete", account.AccountDelete.as_view()),
    path("v1/account/delete/cancel", account.AccountKeep.as_view()),
    path("openapi.json", openapi.openapi_json),
    *(path(old, docs.moved) for old in docs.OLD_ADDRESSES),
    path("docs/", docs.index, {"key_of": key_shown}),
    path("docs/llms.txt", docs.for_models),
    path("docs/explorer", docs.explorer),
    path("docs/<slug:name>", docs.page, {"key_of": key_shown}),
    path("docs/<slug:name>.md", docs.markdown),
    path("llms.txt", docs.for_models),
    path("llms-full.txt", docs.whole),
    path("files/<path:path>", files.file),
    path("callbacks/<str:token>", files.Callback.as_view()),
    path("stripe/webhook", billing.StripeWebhook.as_view()),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", metrics.metrics),
    path("admin/", admin.site.urls),
    path("", include("accounts.urls")),
    path("", include("billing.urls")),
    path("", include("generation.urls")),
    path("", include("webhooks.urls")),
]

handler400 = "eggapi.envelope.bad_request"
handler403 = "eggapi.envelope.forbidden"
handler404 = "eggapi.envelope.not_found"
handler500 = "eggapi.envelope.server_error"
