from django.urls import path

from billing import views

urlpatterns = [
    path("billing", views.billing, name="billing"),
    path("billing/balance", views.balance, name="billing_balance"),
    path("billing/redeem", views.redeem_code, name="billing_redeem"),
    path("billing/topup", views.top_up, name="billing_topup"),
    path("billing/refill", views.refill_wallet, name="billing_refill"),
    path("billing/warning", views.set_warning, name="billing_warning"),
]
