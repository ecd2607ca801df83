"""A long past: tasks, nearly all of them ended, with all that they leave behind."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from random import Random

from django.db import connection

from accounts.models import ApiKey, Mode
from eggapi import clock
from eggapi.serving import history
from eggapi.serving.history import Life
from generation.models import Attempt, Price, Route, Task
from generation.settle import Ending
from generation.storage import Picture, folder_of

SPREAD = timedelta(days=90)
PENDING = 500  # the newest
LARGEST = 0.3  # what the first account has of all tasks
BATCH = 2000
SECONDS = 12


def write(count: int, accounts: range) -> None:
    """`count` tasks in test mode, spread over SPREAD and the accounts."""
    lives = _lives(count, accounts, clock.now())
    while batch := list(islice(lives, BATCH)):
        history.write(batch)
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("VACUUM ANALYZE")
    connection.close()


def _lives(count: int, accounts: range, now: datetime) -> Iterator[Life]:
    random = Random("bench")
    keys = dict(ApiKey.objects.values_list("account", "pk"))
    ways = {
        model: (Price.objects.filter(model__name=model).earliest("pk"), Route.objects.filter(model__name=model).first())
        for model in ("nanobanana", "nanobanana-pro")
    }
    for n in range(count):
        model = "nanobanana-pro" if random.random() < 0.1 else "nanobanana"
        account = accounts[0] if random.random() < LARGEST else random.choice(accounts[1:])
        price, route = ways[model]
        at = now - SPREAD * (1 - n / count)
        task = Task(
            id=history.text(random, "gen_"),
            path_token=history.text(random, "", 25),
            account_id=account,
            mode=Mode.TEST,
            key_id=keys[account],
            request_digest=bytes(32),
            model=model,
            type=Task.Type.IMAGE_GENERATE,
            prompt="A cinematic product photo of a matte green travel mug",
            aspect_ratio="16:9",
            resolution=price.resolution,
            num_outputs=1,
            unit_price=price.amount,
            price=price,
            created_at=at,
            next_run_at=now + timedelta(days=1),
            deadline_seconds=300,
            deadline_at=now + timedelta(days=2),
        )
        life = Life(task, history.text(random, "msg_"))
        if n < count - PENDING:
            _end(life, route, at, random)
        yield life


def _end(life: Life, route: Route, at: datetime, random: Random) -> None:
    task, ended_at = life.task, at + timedelta(seconds=SECONDS)
    attempt = Attempt(id=Attempt.id_of(task.id, 1), task_id=task.id, n=1, route=route, started_at=at, ended_at=ended_at)
    attempt.bought = []
    life.attempts = [attempt]
    if random.random() < 0.97:
        attempt.state = Attempt.State.DONE
        picture = Picture(0, f"{folder_of(task.id, task.path_token)}/0.png", "image/png", 1, 1, 1)
        life.ending = Ending(task, "completed", pictures=[picture])
    else:
        attempt.state = Attempt.State.FAILED
        life.ending = Ending(task, "no_image", "No provider returned a usable image.")
    history.end(task, life.ending, at, ended_at)
