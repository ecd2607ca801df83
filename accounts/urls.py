from django.urls import include, path

from accounts import views

urlpatterns = [
    path("accounts/", include("allauth.urls")),
    path("start/<str:token>", views.start, name="start"),
    path("mode", views.choose_mode, name="choose_mode"),
    path("account", views.choose_account, name="choose_account"),
    path("theme", views.choose_theme, name="choose_theme"),
]
