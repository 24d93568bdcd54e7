"""Alerts of the flows of state, and what a person does about each. Keys: `state_recording`."""

from __future__ import annotations

from erp_sync.model.advice import Alert

ALERTS = (
    Alert(
        cause="plan_held",
        means="A plan of stock, prices or products goes further than its guards allow, or needs approval. All of it "
        "waits: the target keeps what it has.",
        look=("erp-sync plan FLOW", "erp-sync status"),
        do="Look at the rows that are out of the ordinary. They are right: `erp-sync approve PLAN`. They are not: "
        "`erp-sync reject PLAN --why TEXT`, and correct them at the source.",
    ),
    Alert(
        cause="source_answer",
        means="The source answered far fewer rows than it has: what is missing was not believed, and nothing of the "
        "comparison was written.",
        look=("erp-sync doctor ROUTE", "erp-sync status"),
        do="Look whether a search, role or filter at the source has changed. The next comparison settles it by itself.",
    ),
    Alert(
        cause="foreign_edits",
        means="Somebody changed in the target what the source is in charge of, and the route only reports it.",
        look=("erp-sync reconcile ROUTE --flow FLOW",),
        do="Undo it there, or make the same change at the source. Policy `put_back` of the route does it by itself.",
    ),
)
