"""Team: the people of an account, what each may do, and who is invited."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts import flash, invitations, team
from accounts.forms import InviteForm, roles_to_give
from accounts.invitations import InvitationRefused
from accounts.member import ALLOWED, Member, members_only, require
from accounts.models import Invitation, Membership
from eggapi import clock
from eggapi.errors import BadRequest, Forbidden

Role = Membership.Role
LINK = "invitation"
WORDS = {
    "generate": "make pictures",
    "keys": "manage API keys",
    "webhooks": "manage webhooks",
    "money": "top up, set caps and what stands on statements",
    "team": "invite and remove people",
    "account": "privacy, export, and closing the account",
}


def _roles() -> list[tuple[str, str]]:
    """Each role, and in one line what it may do beside looking at everything."""
    may = {role: [WORDS[action] for action, roles in ALLOWED.items() if role in roles] for role in Role}
    return [(role.value, "; ".join(words) or "look, and nothing else") for role, words in may.items()]


@require_http_methods(["GET", "POST"])
@members_only
def page(request: HttpRequest, member: Member) -> HttpResponse:
    """GET /team; POST invites somebody."""
    form = InviteForm(request.POST or None, by=member)
    if request.method == "POST":
        require(member, "team")
        if form.is_valid() and _invite(request, member, form.cleaned_data["email"], form.cleaned_data["role"]):
            return redirect("team")
    memberships = Membership.objects.filter(account=member.account).select_related("user").order_by("pk")
    invited = Invitation.objects.filter(account=member.account, used_at=None).select_related("invited_by")
    context = {
        "memberships": memberships,
        "invited": invited.order_by("-pk"),
        "now": clock.now(),
        "form": form,
        "roles": _roles(),
        "to_give": roles_to_give(member),
        "is_owner": member.may("account"),
        "link": flash.take(request, LINK),
    }
    return render(request, "accounts/team.html", context)


def _invite(request: HttpRequest, member: Member, email: str, role: str) -> bool:
    if role == Role.OWNER and member.role != Role.OWNER:
        raise PermissionDenied(team.OWNERS_ONLY)
    try:
        link = invitations.invite(email, member.user, member.account, role)
    except InvitationRefused as refused:
        messages.error(request, str(refused))
        return False
    flash.keep(request, LINK, link)
    messages.success(request, f"{email} is invited as {role}.")
    return True


def _invitation(member: Member, invitation_id: int) -> Invitation:
    """One that is open. Raises Http404."""
    own = Invitation.objects.filter(account=member.account, used_at=None).select_related("account")
    invitation: Invitation | None = own.filter(pk=invitation_id).first()
    if invitation is None:
        raise Http404("There is no such invitation.")
    return invitation


@require_POST
@members_only
def invite_again(request: HttpRequest, member: Member, invitation_id: int) -> HttpResponse:
    """POST /team/invitations/{id}/again: a new link by mail; the one before stops working."""
    require(member, "team")
    invitation = _invitation(member, invitation_id)
    _invite(request, member, invitation.email, invitation.role)
    return redirect("team")


@require_POST
@members_only
def uninvite(request: HttpRequest, member: Member, invitation_id: int) -> HttpResponse:
    """POST /team/invitations/{id}/revoke"""
    require(member, "team")
    invitation = _invitation(member, invitation_id)
    if invitations.revoke(invitation, member.user):
        messages.success(request, f"The invitation of {invitation.email} is revoked.")
    return redirect("team")


def _membership(member: Member, membership_id: int) -> Membership:
    """Of the same account. Raises Http404."""
    found: Membership | None = Membership.objects.filter(pk=membership_id, account=member.account).first()
    if found is None:
        raise Http404("There is no such member.")
    return found


@require_POST
@members_only
def change_role(request: HttpRequest, member: Member, membership_id: int) -> HttpResponse:
    """POST /team/{id}/role"""
    require(member, "team")
    membership, role = _membership(member, membership_id), request.POST.get("role", "")
    if role not in Role.values:
        messages.error(request, f"A role must be one of {', '.join(Role.values)}.")
        return redirect("team")
    try:
        if team.change_role(membership, role, member):
            messages.success(request, f"{membership.user} is {role} from now on.")
    except BadRequest as refused:
        messages.error(request, refused.message)
    except Forbidden as refused:
        raise PermissionDenied(refused.message) from None
    return redirect("team")


@require_POST
@members_only
def remove(request: HttpRequest, member: Member, membership_id: int) -> HttpResponse:
    """POST /team/{id}/remove: somebody else, or oneself, for which no role is needed."""
    membership = _membership(member, membership_id)
    leaves = membership.user_id == member.user.pk
    if not leaves:
        require(member, "team")
    try:
        team.remove(membership, member)
    except BadRequest as refused:
        messages.error(request, refused.message)
        return redirect("team")
    except Forbidden as refused:
        raise PermissionDenied(refused.message) from None
    if not leaves:
        messages.success(request, f"{membership.user} is in this account no more.")
        return redirect("team")
    request.session.pop("account", None)
    return redirect("home")
