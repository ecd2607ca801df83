"""Mails about what was changed at a person's door, so that a stranger cannot do it unseen."""

from typing import Any

from accounts import letters
from eggapi import clock

# allauth's name of the mail -> what happened.
CHANGES = {
    "account/email/password_changed": "Your password was changed.",
    "account/email/password_set": "Your account has a password now.",
    "account/email/password_reset": "Your password was changed, by a link in a mail.",
    "account/email/email_changed": "Your address was changed from {from_email} to {to_email}.",
    "account/email/email_deleted": "The address {deleted_email} was removed.",
    "mfa/email/totp_activated": "An authenticator app was added. Signing in asks for its code now.",
    "mfa/email/totp_deactivated": "The authenticator app was removed.",
    "mfa/email/recovery_codes_generated": "There are new recovery codes. The old ones do not work any more.",
    "mfa/email/webauthn_added": "A passkey or security key was added.",
    "mfa/email/webauthn_removed": "A passkey or security key was removed.",
    "socialaccount/email/account_connected": "{provider} can be used to sign in now.",
    "socialaccount/email/account_disconnected": "{provider} cannot be used to sign in any more.",
}


def tell(email: str, name: str, ip: str, browser: str, **facts: Any) -> None:
    """Writes what happened, from where and with what, to this address. Raises KeyError for a name of nothing."""
    change = CHANGES[name].format(**facts)
    letters.to([email], "security", change=change, at=clock.now(), ip=ip, browser=browser)
