from django.urls import path

from generation.views import overview

urlpatterns = [
    path("home", overview.overview, name="home"),
]
