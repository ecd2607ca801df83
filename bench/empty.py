"""The least a Django view can do, and the same submission written the usual way: what ours is compared with."""

import os

import django
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "eggapi.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.db import transaction  # noqa: E402
from rest_framework import serializers  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

from accounts.models import ApiKey  # noqa: E402
from billing.models import Hold, Wallet  # noqa: E402
from eggapi import clock, crypto  # noqa: E402
from generation.models import Task  # noqa: E402


def empty(request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"{}", content_type="application/json")


class StockInput(serializers.Serializer):
    model = serializers.CharField(max_length=64)
    prompt = serializers.CharField(max_length=2000)
    num_outputs = serializers.IntegerField(min_value=1, max_value=4, default=1)


class StockTask(serializers.ModelSerializer):
    class Meta:
        model = Task
        fields = ("id", "status", "model", "type", "cost", "created_at")


class Stock(APIView):
    """The durable submission as most would write it: serializers, the ORM, a locked wallet."""

    authentication_classes = ()
    permission_classes = ()

    def post(self, request: Request) -> Response:
        text = request.headers["Authorization"].removeprefix("Bearer ")
        key = ApiKey.objects.select_related("account").get(digest=crypto.digest(text), revoked_at=None)
        fields = StockInput(data=request.data)
        fields.is_valid(raise_exception=True)
        data = fields.validated_data
        now = clock.now()
        with transaction.atomic():
            wallet = Wallet.objects.select_for_update().get(account=key.account, mode=key.mode)
            amount = 10_000 * data["num_outputs"]
            if wallet.posted - wallet.held < amount:
                return Response(status=403)
            wallet.held += amount
            wallet.open_holds += 1
            wallet.save()
            task = Task.objects.create(
                account=key.account,
                mode=key.mode,
                key=key,
                request_digest=b"",
                type="image_generate",
                aspect_ratio="16:9",
                resolution="1k",
                unit_price=10_000,
                created_at=now,
                next_run_at=now,
                deadline_at=now,
                deadline_seconds=300,
                **data,
            )
            Hold.objects.create(task_id=task.id, wallet=wallet, amount=amount, created_at=now)
        return Response(StockTask(task).data, status=202)


urlpatterns = [path("empty", empty), path("stock", Stock.as_view())]
settings.ROOT_URLCONF = __name__
settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]  # only for Content-Length
application = get_wsgi_application()
