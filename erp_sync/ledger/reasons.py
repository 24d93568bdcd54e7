"""Reasons and alerts that the ledger gives by itself, and what a person does about each."""

from __future__ import annotations

from erp_sync.model.advice import Alert, Reason

REASONS = (
    Reason(
        code="requirement_missing",
        means="The target lacks an item or customer of this document: it cannot be fulfilled yet. It waits until "
        "its deadline, and is a dead letter after it.",
        look=("erp-sync deadletters show ID", "erp-sync plan products"),
        do="Create the item there: the document then goes by itself. Where the SKU is another one there, take the one "
        "proposed: `erp-sync deadletters fix ID --accept`.",
    ),
    Reason(
        code="outcome_unknown",
        means="It was sent once and no answer came, and the target cannot be searched for it: it may be there or not. "
        "It is not sent again by itself, so that nothing is there twice.",
        look=("erp-sync trace NUMBER",),
        do="Look it up at the target. It is there: `erp-sync deadletters dismiss ID --why TEXT`. It is not: "
        "`erp-sync retry ID`.",
    ),
    Reason(
        code="no_trace",
        means="A message (an e-mail to the customer) was asked for once and no answer came. The target keeps no record "
        "that tells whether it went, and it is not sent again by itself, so that nobody gets two. Everything before it "
        "is at the target; later changes of the document wait behind it.",
        look=("erp-sync deadletters show ID", "erp-sync trace NUMBER"),
        do="Look for it where the reason says, not in the target's records, at the time of `sending` in the trace. It "
        "went, or that cannot be found out: `erp-sync deadletters dismiss ID --why TEXT` sends nothing and lets later "
        "changes go. It certainly did not go: `erp-sync retry ID` sends it once more.",
    ),
    Reason(
        code="defect",
        means="A defect of erp_sync shows with this document or record; it alone stops.",
        look=("erp-sync deadletters show ID", "grep -rl defect $ERP_SYNC_HOME/logs"),
        do="Report the reason, which names error and line. Install the version that mends it, then `erp-sync retry "
        "ID`. "
        "Meanwhile edit the payload, or enter the document by hand and dismiss it.",
    ),
    Reason(
        code="owner_died",
        means="Process after process ended while it had this document or record in hand, the last ones with nothing "
        "else: out of memory, or a crash below Python. It alone stops. A record's next value is tried an hour later.",
        look=("erp-sync trace NUMBER", "dmesg -T | grep -i -E 'killed process|segfault'"),
        do="Find what the processes died of: memory of the machine, or a library. Mend that, then `erp-sync retry ID`. "
        "Where the document is the cause (its size, a value), edit it, or enter it by hand and dismiss it; a record is "
        "corrected at its source.",
    ),
    Reason(
        code="unmapped_{table}",
        means="Look-up table {table} has no row or rule for a value of this document. It is not sent without one.",
        look=("erp-sync deadletters fix ID", "erp-sync lookups export {table} {table}.csv"),
        do="`erp-sync deadletters fix ID --accept --remember` takes the proposed row; else add one to {table}.csv and "
        "`erp-sync lookups import`, then `erp-sync retry --code unmapped_{table}`.",
    ),
    Reason(
        code="ambiguous_{table}",
        means="Two rules of look-up table {table} match one value, so that none is taken.",
        look=("erp-sync lookups export {table} {table}.csv",),
        do="Make one of the rules narrower, `erp-sync lookups import`, then `erp-sync retry --code ambiguous_{table}`.",
    ),
)  # fmt: skip

ALERTS = (
    Alert(
        cause="breaker",
        means="A system does not answer or fails: nothing is sent to it. Documents are still received and queue; "
        "no attempt is spent. It is tried by itself, and the backlog goes once it answers.",
        look=("erp-sync status", "erp-sync doctor ROUTE"),
        do="See whether the vendor reports an outage. Where it is planned: `erp-sync maintenance start CONNECTION "
        "--for 2h`. Where it is back: `erp-sync probe CONNECTION`. Where credentials or network changed on our side, "
        "mend them. Nothing is to be sent again by hand.",
    ),
)  # fmt: skip
