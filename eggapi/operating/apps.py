from django.contrib.admin.apps import AdminConfig


class OperatingConfig(AdminConfig):
    default_site = "eggapi.operating.site.OperatorSite"
