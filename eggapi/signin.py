"""How people sign up and in, as far as no variable changes it: plain data, for the settings."""

SIGN_IN = {
    "AUTH_USER_MODEL": "accounts.User",
    "AUTHENTICATION_BACKENDS": ["allauth.account.auth_backends.AuthenticationBackend"],  # is a ModelBackend itself
    "PASSWORD_HASHERS": [
        "django.contrib.auth.hashers.Argon2PasswordHasher",
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    ],
    "AUTH_PASSWORD_VALIDATORS": [
        {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
        {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
        {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    ],
    "LOGIN_URL": "/accounts/login/",
    "LOGIN_REDIRECT_URL": "/home",
    "ACCOUNT_ADAPTER": "accounts.signup.AccountAdapter",
    "ACCOUNT_USER_MODEL_USERNAME_FIELD": None,
    "ACCOUNT_LOGIN_METHODS": {"email"},
    "ACCOUNT_SIGNUP_FIELDS": ["email*", "password1*"],
    "ACCOUNT_SIGNUP_FORM_CLASS": "accounts.agreement.Agreement",
    # The dashboard opens at once; what costs real money waits for the address.
    "ACCOUNT_EMAIL_VERIFICATION": "optional",
    "ACCOUNT_CHANGE_EMAIL": True,
    "ACCOUNT_EMAIL_NOTIFICATIONS": True,
    "ACCOUNT_EMAIL_SUBJECT_PREFIX": "",
    "ACCOUNT_LOGOUT_REDIRECT_URL": "/accounts/login/",
    "ACCOUNT_REAUTHENTICATION_REQUIRED": True,
    "ACCOUNT_SESSION_REMEMBER": True,
    "MFA_ADAPTER": "accounts.signup.SecondFactorAdapter",
    "MFA_SUPPORTED_TYPES": ["totp", "recovery_codes", "webauthn"],
    "MFA_PASSKEY_LOGIN_ENABLED": True,
    "MFA_TOTP_ISSUER": "EggAPI",
    "MFA_TOTP_TOLERANCE": 1,  # half a minute, for telephones whose clock is off
    "SOCIALACCOUNT_ADAPTER": "accounts.signup.SocialAdapter",
    "SOCIALACCOUNT_AUTO_SIGNUP": False,  # the terms are accepted on a page of ours
}
