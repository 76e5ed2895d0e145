"""What each incident means and what to do first, in the message itself: a link may not be at hand at three at night."""

from __future__ import annotations

ADVICE: dict[str, tuple[str, str]] = {
    "check-failed": (
        "The asset holds rows that break a rule it promises; the models behind it are not renewed by whole builds.",
        "Look at the rows that the reason names. Is the source wrong, the model, or the rule, or was a table edited by"
        " hand (then a full refresh)?",
    ),
    "code-location": (
        "A part of Dagster does not answer: the reason says what stands still for it. The ingestion and the refresher"
        " go on.",
        "`shop status` names it. Without containers it is started again by itself; if it stays away, read its log.",
    ),
    "dead-letters": (
        "A producer sends what is not a valid event. The marts lack these events until they are fixed or replayed.",
        "`shop dead-letters list` groups them by reason. Tell the producer; then fix and replay, or discard.",
    ),
    "frozen": (
        "A process does nothing, or ends again and again. What it would do waits; nothing is lost.",
        "Nothing, if it is over in a minute: the stack ends and restarts it by itself (in containers: `docker compose"
        " restart`). Else read the end of its log.",
    ),
    "halted": (
        "Nothing of the topic reaches a mart until a person decides. Nothing of it is lost; all other topics are read.",
        "Decide, and call the command that the reason names. It goes on by itself within seconds.",
    ),
    "invariant-broken": (
        "Events were lost or doubled between Kafka and the warehouse, or the marts differ from their recomputation.",
        "Stop changing things; `shop verify` says what differs. The raw rows are the truth.",
    ),
    "marts-stale": (
        "A new table cannot take the place of the old one while somebody reads it in an open transaction.",
        "End that session with the statement that the reason gives, or ask its owner to.",
    ),
    "refresher": (
        "Hot marts are not renewed within seconds; Dagster's runs still renew them within minutes.",
        "By the reason: correct what is wrong with a model or the database. Without a heartbeat it was killed or is"
        " starting, and comes back by itself or says in its log why not.",
    ),
    "run-failed": (
        "What was there before is whole and readable; it no longer gets newer. Events keep landing.",
        "Correct what the reason names: a model in its file, then `shop reload`. The next run of the sensors makes it"
        " good; running any job again is always safe.",
    ),
    "service-away": (
        "A server that everything needs does not answer. Kafka keeps what comes; nothing is lost.",
        "By the reason: start it, restart it if it is frozen, free the disk. Everything else follows by itself.",
    ),
    "stale": (
        "The numbers are right, but of an hour ago or of yesterday.",
        "`shop status` says whether the ingestion reads and the last runs went well.",
    ),
}
