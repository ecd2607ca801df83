from django.urls import include, path

from accounts import views

urlpatterns = [
    path("accounts/", include("allauth.urls")),
    path("start/<str:token>", views.start, name="start"),
    path("home", views.home, name="home"),
]
