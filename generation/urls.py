from django.urls import path

from generation.views import overview, status, task, tasks

urlpatterns = [
    path("status", status.status, name="status"),
    path("status.json", status.status_json),
    path("status.rss", status.status_rss),
    path("home", overview.overview, name="home"),
    path("tasks", tasks.tasks, name="tasks"),
    path("tasks.csv", tasks.tasks_csv, name="tasks_csv"),
    path("tasks/<str:task_id>", task.task, name="task"),
    path("tasks/<str:task_id>/again", task.run_again, name="task_again"),
    path("tasks/<str:task_id>/cancel", task.stop, name="task_cancel"),
    path("tasks/<str:task_id>/forget", task.forget, name="task_forget"),
]
