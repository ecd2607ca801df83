"""The addresses as they are where GitHub is set up."""

from allauth.socialaccount.providers.github.urls import urlpatterns as github
from django.urls import include, path

from accounts.views.framed import framed
from eggapi.urls import urlpatterns as ours

urlpatterns = [path("accounts/", include(framed(github))), *ours]
