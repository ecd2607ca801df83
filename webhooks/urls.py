from django.urls import path

from webhooks import views

urlpatterns = [
    path("webhooks", views.webhooks, name="webhooks"),
    path("webhooks/test", views.send_test, name="webhook_test"),
    path("webhooks/recover", views.recover, name="webhook_recover"),
    path("webhooks/replay", views.replay, name="webhook_replay"),
    path("webhooks/enable", views.enable, name="webhook_enable"),
    path("webhooks/secret/reveal", views.reveal, name="webhook_reveal"),
    path("webhooks/secret/rotate", views.rotate, name="webhook_rotate"),
    path("webhooks/<str:event_id>", views.delivery, name="delivery"),
    path("webhooks/<str:event_id>/resend", views.send_again, name="delivery_resend"),
]
