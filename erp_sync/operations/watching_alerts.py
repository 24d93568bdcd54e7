"""What the watchdog tells of, and what a person does about each. Keys: `watching`."""

from __future__ import annotations

from erp_sync.model.advice import Alert

_STATUS = "erp-sync status"

ALERTS = (
    Alert(
        cause="sensor",
        means="Dagster does not look for work: nothing is synchronised. Orders wait in the store, stock goes stale.",
        look=(_STATUS, "tail -n 50 $ERP_SYNC_HOME/logs/*.log"),
        do="`erp-sync up` starts what is gone. Where sensor due_work fails, its page in the UI shows the error. "
        "Nothing "
        "is lost: what was missed is read once it runs.",
    ),
    Alert(
        cause="daemon",
        means="A part of Dagster's daemon stands still, or its storage does not answer: sensors, schedules or new runs "
        "wait, as the message says. Nothing is lost: what was missed is done once it goes on.",
        look=(_STATUS, "tail -n 50 $ERP_SYNC_HOME/logs/*.log"),
        do="Storage: start its database, or make room. Daemon: where it is gone, `erp-sync up` starts it; where it "
        "lives and stands still, end its process (kill PID, as status shows it), and it is started anew.",
    ),
    Alert(
        cause="schedule",
        means="A schedule that is on did not tick when it should have: comparisons, repairs, house-keeping or key "
        "figures that it starts were not done. Orders and stock go on.",
        look=(_STATUS, "tail -n 50 $ERP_SYNC_HOME/logs/*.log"),
        do="The schedule's page in the UI shows failed ticks with their error: mend that. Where it does not exist any "
        "more, or is not to run, switch it off there. What it starts can be started there at once, too.",
    ),
    Alert(
        cause="ledger",
        means="The ledger's database does not answer: nothing is synchronised, nothing else can be told. Nothing is "
        "lost: documents wait at their source.",
        look=(_STATUS, "env | grep ERP_SYNC_LEDGER_URL | sed 's#://[^@]*@#://#'", "df -h $ERP_SYNC_HOME"),
        do="Start the database, make room, or correct ERP_SYNC_LEDGER_URL. What runs goes on by itself then.",
    ),
    Alert(
        cause="hung",
        means="A service lived and did not answer any more: it was killed and replaced. Runs under way go on; new ones "
        "began cold, or late, until then.",
        look=(_STATUS, "tail -n 50 $ERP_SYNC_HOME/logs/*.log", "dmesg -T | tail -n 50"),
        do="Nothing, once. Where it comes again: short memory, a disk that does not answer, or a defect to report.",
    ),
    Alert(
        cause="in_hand",
        means="A run has had the same documents or changes in hand for long and comes no step forward: it hangs, or "
        "its process is stopped. Other documents and flows go on.",
        look=(_STATUS, "ps -o pid,stat,wchan:20,cmd -p PROCESS"),
        do="Nothing: it ends itself, and others take over what it had. To have that at once kill the process that the "
        "notice names (kill -9): what may have left of it is looked up before anything is sent again.",
    ),
    Alert(
        cause="silent",
        means="Far fewer documents came than are usual at this weekday and hour: customers may be unable to buy, or "
        "the source gives us nothing.",
        look=(_STATUS, "erp-sync reconcile ROUTE --flow FLOW", "erp-sync doctor ROUTE"),
        do="Try to buy something. The shop is fine: compare the source's list with ours; a role, filter or event "
        "subscription has changed. A quiet day: say so by `expected` in the route's YAML.",
    ),
    Alert(
        cause="unchanged",
        means="Stock, prices or products change far less than is usual at this weekday and hour, although runs are "
        "green: the shop may offer what the ERP has no more, or sell at yesterday's price.",
        look=(_STATUS, "erp-sync plan FLOW --route ROUTE --full", "erp-sync doctor ROUTE"),
        do="Change one record in the source and look whether it arrives. The full comparison finds what the runs did "
        "not: a search, a saved list, a role or a change stamp of the source has changed. A quiet day: say so by "
        "`expected` in the route's YAML.",
    ),
    Alert(
        cause="unannounced",
        means="A system that should tell of changes does not any more, although documents go on coming. Nothing is "
        "lost: polling finds everything, as late as the flow's `every` says.",
        look=("erp-sync status", "erp-sync doctor ROUTE", "curl -s http://127.0.0.1:3001/health"),
        do="The event service is up and reached from outside: an active subscription or script may still send "
        "nothing, so save it anew, and change a record. Events are not to come: take their key out of the "
        "connection, or name those that do in its setting `events.entities`.",
    ),
    Alert(
        cause="not_looked",
        means="A source gives no answer, or is not asked: what changed there is not known here.",
        look=(_STATUS, "erp-sync doctor ROUTE"),
        do="Mend what the doctor names. Where it names nothing, look at the tick's log of sensor due_work in the UI.",
    ),
    Alert(
        cause="not_compared",
        means="The daily comparison of everything did not get through: what no event told of stays different.",
        look=(_STATUS, "erp-sync plan FLOW"),
        do="Look at the last run of the flow in the UI for its error. It is made up for by itself once that is mended.",
    ),
    Alert(
        cause="overdue",
        means="A document could go and has not for too long: a customer waits.",
        look=(_STATUS, "erp-sync trace NUMBER"),
        do="Status shows what holds it up: a breaker, limits, or runs that fail. Mend that; the document goes by "
        "itself.",
    ),
    Alert(
        cause="queue",
        means="More documents come than go: they will be late if it stays so.",
        look=(_STATUS,),
        do="Look whether the target is slow or throttles, and whether bulk work takes its slots. The backlog goes by "
        "itself, urgent first. Where it is so every day, more concurrency must be bought.",
    ),
    Alert(
        cause="dead",
        means="Documents need a person: they are not delivered, the others go on.",
        look=("erp-sync deadletters", "erp-sync deadletters show ID"),
        do="See the entry of their reason, which the message links to, too.",
    ),
    Alert(
        cause="exchanges_lost",
        means="Calls were made that the exchange log could not keep: traces lack what was said to a system. Documents "
        "are not concerned, the ledger has what became of them. It is over once calls are written again and none was "
        "lost for ten minutes.",
        look=("df -h $ERP_SYNC_HOME", "ls -l $ERP_SYNC_HOME/exchanges", "cat $ERP_SYNC_HOME/exchanges/losses.jsonl"),
        do="Disk: make room or enlarge it; `ERP_SYNC_EXCHANGE_DAYS` shortens what is kept. Database: where the log is "
        "of another version, move its folder aside. Too slow: take other load from the disk, or give it a faster one. "
        "Defect: report it. What is lost stays lost; runs go on by themselves.",
    ),
    Alert(
        cause="held",
        means="Documents stand still until a person decides, or until the target has what they lack; the others go on. "
        "They have stood longer than `held` (or `held_for` this cause) of the route's flow says.",
        look=("erp-sync deadletters", "erp-sync deadletters show ID"),
        do="See the entry of their reason, which the message links to, too. Most end with `erp-sync approve ID --why "
        "TEXT` or `erp-sync reject ID --why TEXT`; what lacks an item or customer goes by itself once that is there.",
    ),
    Alert(
        cause="left_out",
        means="Documents are delivered, but for a step that the target refused and that they can go without: a "
        "customer had no e-mail, say. Nothing else waits for it.",
        look=("erp-sync deadletters", "erp-sync deadletters show ID"),
        do="See the entry of their reason, which the message links to, too: mend the cause first. What is missing is "
        "done by hand at the target; then `erp-sync deadletters dismiss ID --why TEXT`, or `--code CODE` for all of "
        "that cause. It is over once none is left, or a later delivery of the document has done the same.",
    ),
    Alert(
        cause="refused",
        means="Records of documents were refused as they came: they are in quarantine and go nowhere, the others go "
        "on.",
        look=("erp-sync deadletters", "erp-sync deadletters show ID"),
        do="See the entry of their rule, which the message links to, too. Corrected at the source they come again by "
        "themselves; corrected here: `erp-sync deadletters edit ID`.",
    ),
    Alert(
        cause="disk",
        means="The disk is nearly full. Once it is, nothing can be recorded, and so nothing is sent.",
        look=("df -h $ERP_SYNC_HOME", "du -sh $ERP_SYNC_HOME/*"),
        do="Make room or enlarge it. Shorter retention: ERP_SYNC_EXCHANGE_DAYS, ERP_SYNC_RUN_DAYS; `erp-sync down` and "
        "`erp-sync up` apply them, job housekeeping frees the space.",
    ),
)  # fmt: skip
