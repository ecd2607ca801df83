from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
]

handler400 = "eggapi.envelope.bad_request"
handler403 = "eggapi.envelope.forbidden"
handler404 = "eggapi.envelope.not_found"
handler500 = "eggapi.envelope.server_error"
