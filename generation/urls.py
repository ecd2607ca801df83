from django.urls import path

from generation.views import keys, limits, overview, settings, status, task, tasks

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
    path("keys", keys.keys, name="keys"),
    path("keys/new", keys.new, name="key_new"),
    path("keys/<int:key_id>", keys.key, name="key"),
    path("keys/<int:key_id>/made", keys.made, name="key_made"),
    path("keys/<int:key_id>/edit", keys.edit, name="key_edit"),
    path("limits", limits.page, name="limits"),
    path("settings", settings.page, name="settings"),
    path("settings/names", settings.names, name="settings_names"),
    path("settings/privacy", settings.privacy, name="settings_privacy"),
    path("settings/export", settings.take_away, name="settings_export"),
    path("settings/delete", settings.close, name="settings_delete"),
    path("settings/keep", settings.reopen, name="settings_keep"),
]
