from django.urls import path

from generation.views import overview, status

urlpatterns = [
    path("status", status.status, name="status"),
    path("status.json", status.status_json),
    path("status.rss", status.status_rss),
    path("home", overview.overview, name="home"),
]
