from django.urls import include, path

from accounts.views import entrance

urlpatterns = [
    path("accounts/", include("allauth.urls")),
    path("start/<str:token>", entrance.start, name="start"),
    path("mode", entrance.choose_mode, name="choose_mode"),
    path("account", entrance.choose_account, name="choose_account"),
    path("theme", entrance.choose_theme, name="choose_theme"),
]
