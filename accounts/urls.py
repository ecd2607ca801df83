from allauth import urls as allauth
from django.urls import include, path

from accounts.views import entrance, joining, legal, sessions
from accounts.views.framed import framed

urlpatterns = [
    path("accounts/sessions/<int:session_id>/end", sessions.end, name="end_session"),
    path("accounts/", include(framed(allauth.urlpatterns))),
    path("start/<str:token>", entrance.start, name="start"),
    path("join/<str:token>", joining.join, name="join"),
    path("legal/accept", legal.accept, name="accept_terms"),
    path("legal/<slug:name>", legal.page, name="legal"),
    path("mode", entrance.choose_mode, name="choose_mode"),
    path("account", entrance.choose_account, name="choose_account"),
    path("theme", entrance.choose_theme, name="choose_theme"),
]
