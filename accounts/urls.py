from allauth import urls as allauth
from django.urls import include, path

from accounts.views import entrance, joining, keys, legal, log, sessions, team
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
    path("visit/end", entrance.end_visit, name="end_visit"),
    path("theme", entrance.choose_theme, name="choose_theme"),
    path("keys/revoke-all", keys.revoke_all, name="keys_revoke_all"),
    path("keys/<int:key_id>/roll", keys.roll, name="key_roll"),
    path("keys/<int:key_id>/disable", keys.disable, name="key_disable"),
    path("keys/<int:key_id>/enable", keys.enable, name="key_enable"),
    path("keys/<int:key_id>/revoke", keys.revoke, name="key_revoke"),
    path("team", team.page, name="team"),
    path("team/<int:membership_id>/role", team.change_role, name="team_role"),
    path("team/<int:membership_id>/remove", team.remove, name="team_remove"),
    path("team/invitations/<int:invitation_id>/again", team.invite_again, name="invite_again"),
    path("team/invitations/<int:invitation_id>/revoke", team.uninvite, name="uninvite"),
    path("settings/log", log.page, name="log"),
]
