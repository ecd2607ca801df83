"""Audit: every balance and every sum, derived again from the entries, holds and usage records."""

from django.db import connection

from eggapi.audit import Check, drift
from eggapi.money import display

# "NOT (task_id = '')" lets SQLite use the index that the table has for just these entries.
CAPTURE = "e.task_id = {0}.task_id AND e.kind = 'capture' AND NOT (e.task_id = '')"

WALLETS = (
    Check(
        "wallet {0} has {1:$}, but its entries sum to {2:$}",
        """
        SELECT w.id, w.posted, COALESCE(e.total, 0) FROM billing_wallet w
        LEFT JOIN (SELECT wallet_id, SUM(amount) AS total FROM billing_ledgerentry GROUP BY wallet_id) e
            ON e.wallet_id = w.id
        WHERE w.posted <> COALESCE(e.total, 0)
        """,
    ),
    Check(
        "wallet {0} holds {1:$}, but its open holds sum to {2:$}",
        """
        SELECT w.id, w.held, COALESCE(h.total, 0) FROM billing_wallet w
        LEFT JOIN (SELECT wallet_id, SUM(amount) AS total FROM billing_hold WHERE state = 'open' GROUP BY wallet_id) h
            ON h.wallet_id = w.id
        WHERE w.held <> COALESCE(h.total, 0)
        """,
    ),
    Check(
        "wallet {0} has {1:$} and holds {2:$} of it",
        "SELECT id, posted, held FROM billing_wallet WHERE held < 0 OR posted < held",
    ),
    Check(
        "wallet {0} counts {1} open holds, but has {2}",
        """
        SELECT w.id, w.open_holds, COALESCE(h.total, 0) FROM billing_wallet w
        LEFT JOIN (SELECT wallet_id, COUNT(*) AS total FROM billing_hold WHERE state = 'open' GROUP BY wallet_id) h
            ON h.wallet_id = w.id
        WHERE w.open_holds <> COALESCE(h.total, 0)
        """,
    ),
    Check(
        "wallet {0} counts {1} tasks, but has {2} holds",
        """
        SELECT w.id, w.task_count, COALESCE(h.total, 0) FROM billing_wallet w
        LEFT JOIN (SELECT wallet_id, COUNT(*) AS total FROM billing_hold GROUP BY wallet_id) h ON h.wallet_id = w.id
        WHERE w.task_count <> COALESCE(h.total, 0)
        """,
    ),
)

BUDGETS = (
    Check(
        "budget {0} says {1:$} is used, but its holds sum to {2:$}",
        """
        SELECT b.id, b.used, COALESCE(h.total, 0) FROM billing_budget b LEFT JOIN (
            SELECT budget, SUM(total) AS total FROM (
                SELECT key_budget AS budget, CASE state WHEN 'open' THEN amount ELSE captured END AS total
                FROM billing_hold WHERE key_budget <> 0
                UNION ALL
                SELECT account_budget, CASE state WHEN 'open' THEN amount ELSE captured END
                FROM billing_hold WHERE account_budget <> 0
            ) AS parts GROUP BY budget
        ) h ON h.budget = b.id
        WHERE b.used <> COALESCE(h.total, 0)
        """,
    ),
)

CAPTURES = (
    Check(
        "{0} has its hold {1} with {2:$} captured, but {3:$} captured in the ledger",
        f"""
        SELECT h.task_id, h.state, h.captured, COALESCE(-e.amount, 0) FROM billing_hold h
        LEFT JOIN billing_ledgerentry e ON {CAPTURE.format("h")}
        WHERE h.captured <> COALESCE(-e.amount, 0)
        """,
    ),
    Check(
        "{0} has its hold in wallet {1}, but is captured from wallet {2} for {3}",
        f"""
        SELECT h.task_id, h.wallet_id, e.wallet_id, e.counterpart FROM billing_hold h
        JOIN billing_ledgerentry e ON {CAPTURE.format("h")}
        WHERE e.wallet_id <> h.wallet_id OR e.counterpart <> 'revenue'
        """,
    ),
    Check(
        "entry {0} captures {1:$} for {2!r}, which has no hold",
        """
        SELECT e.id, -e.amount, e.task_id FROM billing_ledgerentry e
        LEFT JOIN billing_hold h ON h.task_id = e.task_id
        WHERE e.kind = 'capture' AND h.task_id IS NULL
        """,
    ),
)

USAGE = (
    Check(
        "{0} has {1:$} captured, but a usage of {2:$}",
        """
        SELECT e.task_id, -e.amount, COALESCE(u.cost, 0) FROM billing_ledgerentry e
        LEFT JOIN billing_usagerecord u ON u.task_id = e.task_id
        WHERE e.kind = 'capture' AND -e.amount <> COALESCE(u.cost, 0)
        """,
    ),
    Check(
        "{0} has a usage of {1:$}, but nothing captured",
        f"""
        SELECT u.task_id, u.cost FROM billing_usagerecord u
        LEFT JOIN billing_ledgerentry e ON {CAPTURE.format("u")}
        WHERE e.id IS NULL
        """,
    ),
    Check(
        "{0} has a usage of account {1} {2}, but is captured from wallet {3}",
        f"""
        SELECT u.task_id, u.account_id, u.mode, e.wallet_id FROM billing_usagerecord u
        JOIN billing_ledgerentry e ON {CAPTURE.format("u")}
        JOIN billing_wallet w ON w.id = e.wallet_id
        WHERE w.account_id <> u.account_id OR w.mode <> u.mode
        """,
    ),
    Check(
        "{0} has a usage of {1:$} for {2} units at {3:$}",
        "SELECT task_id, cost, units, unit_price FROM billing_usagerecord WHERE cost <> units * unit_price",
    ),
    Check(
        "{0} {1}, key {2}, {3} {4} on {5}: the records exceed the day's sums by {6} units, {7:$} and {8} requests",
        """
        SELECT account_id, mode, key, model, type, day, SUM(units), SUM(cost), SUM(requests) FROM (
            SELECT account_id, mode, COALESCE(key_id, 0) AS key, model, type,
                SUBSTR(CAST(created_at AS text), 1, 10) AS day, units, cost, 1 AS requests
            FROM billing_usagerecord
            UNION ALL
            SELECT account_id, mode, key, model, type, CAST(day AS text), -units, -cost, -requests
            FROM billing_dailyusage
        ) AS both_sides
        GROUP BY account_id, mode, key, model, type, day
        HAVING SUM(units) <> 0 OR SUM(cost) <> 0 OR SUM(requests) <> 0
        """,
    ),
    Check(
        "the revenue is {0:$}, but the usage sums to {1:$}",
        """
        SELECT r.total, u.total FROM
            (SELECT COALESCE(-SUM(amount), 0) AS total FROM billing_ledgerentry
             WHERE counterpart = 'revenue' AND kind <> 'refund') r,
            (SELECT COALESCE(SUM(cost), 0) AS total FROM billing_usagerecord) u
        WHERE r.total <> u.total
        """,
    ),
)


PAYMENTS = (
    Check(
        "entry {0} refunds {1:$} for {2!r}, of which {3:$} was captured",
        """
        SELECT e.id, e.amount, e.task_id, COALESCE(h.captured, 0) FROM billing_ledgerentry e
        LEFT JOIN billing_hold h ON h.task_id = e.task_id AND h.wallet_id = e.wallet_id
        WHERE e.kind = 'refund'
            AND (e.amount <= 0 OR e.amount > COALESCE(h.captured, 0) OR e.counterpart <> 'revenue')
        """,
    ),
    Check(
        "code {0} has {1} of {2} uses left, but was redeemed {3} times",
        """
        SELECT c.display, c.uses_left, b.uses, COALESCE(r.times, 0) FROM billing_redeemcode c
        JOIN billing_redeembatch b ON b.id = c.batch_id
        LEFT JOIN (SELECT code_id, COUNT(*) AS times FROM billing_redemption GROUP BY code_id) r ON r.code_id = c.id
        WHERE c.uses_left + COALESCE(r.times, 0) <> b.uses
        """,
    ),
    Check(
        "code {0} of {1:$} was redeemed by account {2}, but entry {3} is a {4} of {5:$} in wallet {6}",
        """
        SELECT c.display, b.amount, r.account_id, e.id, e.kind, e.amount, e.wallet_id FROM billing_redemption r
        JOIN billing_redeemcode c ON c.id = r.code_id JOIN billing_redeembatch b ON b.id = c.batch_id
        JOIN billing_ledgerentry e ON e.id = r.entry_id JOIN billing_wallet w ON w.id = e.wallet_id
        WHERE e.kind <> 'redeem' OR e.counterpart <> 'promo' OR e.amount <> b.amount OR w.account_id <> r.account_id
        """,
    ),
    Check(
        "entry {0} redeems {1:$}, but no code",
        """
        SELECT e.id, e.amount FROM billing_ledgerentry e LEFT JOIN billing_redemption r ON r.entry_id = e.id
        WHERE e.kind = 'redeem' AND r.id IS NULL
        """,
    ),
    Check(
        "{0} of {1:$} is {2}, but {3:$} was credited for {4!r}",
        """
        SELECT t."order", t.amount, t.state, COALESCE(e.amount, 0), t.payment FROM billing_topup t
        LEFT JOIN billing_wallet w ON w.account_id = t.account_id AND w.mode = 'live'
        LEFT JOIN billing_ledgerentry e
            ON e.kind = 'topup' AND e.reference = t.payment AND e.wallet_id = w.id AND t.payment <> ''
        WHERE COALESCE(e.amount, 0) <> CASE t.state WHEN 'paid' THEN t.amount ELSE 0 END
        """,
    ),
    Check(
        "entry {0} tops up {1:$} for payment {2!r}, which is of no order",
        """
        SELECT e.id, e.amount, e.reference FROM billing_ledgerentry e
        LEFT JOIN billing_topup t ON t.payment = e.reference AND t.payment <> ''
        WHERE e.kind = 'topup' AND t.payment IS NULL
        """,
    ),
    Check(
        "wallet {0} owes {1:$}, but {2:$} of its top-ups was taken back, and {3:$} from it",
        """
        SELECT w.id, w.owed, COALESCE(t.total, 0), COALESCE(e.total, 0) FROM billing_wallet w
        LEFT JOIN (SELECT account_id, SUM(taken_back) AS total FROM billing_topup GROUP BY account_id) t
            ON t.account_id = w.account_id AND w.mode = 'live'
        LEFT JOIN (
            SELECT wallet_id, -SUM(amount) AS total FROM billing_ledgerentry
            WHERE kind = 'chargeback' GROUP BY wallet_id
        ) e ON e.wallet_id = w.id
        WHERE w.owed <> COALESCE(t.total, 0) - COALESCE(e.total, 0)
        """,
    ),
)


def audit() -> list[str]:
    """A sentence for everything in the books that does not agree with the rest."""
    return drift(WALLETS + BUDGETS + CAPTURES + USAGE + PAYMENTS)


def totals() -> str:
    """What there is, in one line."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT COUNT(*), COALESCE(SUM(posted), 0), COALESCE(SUM(held), 0),
                (SELECT COUNT(*) FROM billing_ledgerentry), (SELECT COUNT(*) FROM billing_hold),
                (SELECT COALESCE(SUM(cost), 0) FROM billing_usagerecord)
            FROM billing_wallet
            """
        )
        wallets, posted, held, entries, holds, used = map(int, cursor.fetchone())
    return (
        f"{wallets} wallets with {display(posted)}, {display(held)} of it held;"
        f" {entries} entries, {holds} holds, {display(used)} of usage."
    )
