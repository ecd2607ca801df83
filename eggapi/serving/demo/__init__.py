"""`manage.py demo`: a month in the life of an account, for screenshots and for measuring."""
