"""Campaigns, their audiences, and their runs."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Interval,
    Numeric,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from dispatcher.domain.campaigns.campaign import AudienceState, CampaignState, RunState
from dispatcher.domain.tier import Tier
from dispatcher.store.tables.base import check_one_of, id_column, metadata, now_column, time_column

# A list of recipients from a file; it never changes once it is `ready`.
audiences = Table(
    "audiences",
    metadata,
    id_column(),
    Column("public_id", Uuid, nullable=False, unique=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("columns", ARRAY(Text), nullable=False),
    Column("rows", Integer, nullable=False, server_default="0"),
    Column("recipients", Integer, nullable=False, server_default="0"),
    # The groups of zones of its recipients, and how many are in each; a group is paced and opens together.
    Column("zones", ARRAY(Text), nullable=False, server_default="{}"),
    Column("zone_counts", ARRAY(Integer), nullable=False, server_default="{}"),
    # How the file was read, and all its columns, "" for one without a name; rejects have a cell for each.
    Column("encoding", Text, nullable=False, server_default=""),
    Column("separator", Text, nullable=False, server_default=""),
    Column("file_columns", ARRAY(Text), nullable=False, server_default="{}"),
    now_column("created_at"),
    time_column("ready_at", nullable=True),
    UniqueConstraint("account_id", "name"),
    CheckConstraint("name <> ''", "name"),
    CheckConstraint(check_one_of("state", AudienceState), "state"),
)

# `position` counts from 1 without gaps. Each number is in an audience once.
recipients = Table(
    "recipients",
    metadata,
    Column(
        "audience_id", ForeignKey("audiences.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("line", Integer, nullable=False),
    Column("number", Text, nullable=False),
    Column("number_as_given", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("zone", SmallInteger, nullable=False),
    Column("variables", JSONB, nullable=False, server_default="{}"),
    UniqueConstraint("audience_id", "number"),
    Index("ix_recipients_zone", "audience_id", "zone", "position"),
)

# The rejected lines of a file, with the reason. `raw` is the whole row as a line of CSV, or for an audience
# without file_columns the beginning of the line.
rejects = Table(
    "rejects",
    metadata,
    Column(
        "audience_id", ForeignKey("audiences.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("reason", Text, nullable=False),
    Column("raw", Text, nullable=False),
)

# Without `cron`, a campaign runs once, at `first_at`. The clock starts a run at `next_due`.
campaigns = Table(
    "campaigns",
    metadata,
    id_column(),
    Column("public_id", Uuid, nullable=False, unique=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("audience_id", ForeignKey("audiences.id"), nullable=False),
    Column("template_id", ForeignKey("templates.id")),
    Column("text", Text, nullable=False),
    Column("sender_id", ForeignKey("senders.id"), nullable=False),
    Column("tier", Text, nullable=False),
    Column("validity", Interval),
    Column("timezone", Text, nullable=False),
    time_column("first_at", nullable=True),
    Column("cron", Text),
    Column("first_day", Date),
    Column("last_day", Date),
    Column("spread", Interval),
    Column("per_second", Numeric(12, 3)),
    Column("hours", JSONB(none_as_null=True)),
    Column("max_cost", BigInteger),
    Column("callback_url", Text),
    time_column("next_due", nullable=True),
    time_column("paused_at", nullable=True),
    now_column("created_at"),
    UniqueConstraint("account_id", "name"),
    CheckConstraint("name <> ''", "name"),
    CheckConstraint(check_one_of("state", CampaignState), "state"),
    CheckConstraint(check_one_of("tier", Tier), "tier"),
    CheckConstraint("(cron IS NULL) = (first_at IS NOT NULL)", "schedule"),
    CheckConstraint("spread IS NULL OR per_second IS NULL", "pacing"),
    CheckConstraint("max_cost > 0", "max_cost"),
    CheckConstraint("(state = 'paused') = (paused_at IS NOT NULL)", "paused_at"),
    Index(
        "ix_campaigns_next_due",
        "next_due",
        postgresql_where=text("state = 'active' AND next_due IS NOT NULL"),
    ),
)

# One run of a campaign; its messages are in the batch with its id. `position` counts the recipients that
# became a message or were left out, `zone_ranks` those of each group of zones, and `zone_positions` is the
# position in the audience of the last one of each group, because groups advance at different times.
# `pauses` has the start and the end of each pause, in which pacing stands still. `shift` is how far the
# windows of waiting messages must still be moved after a pause, and `shifted` is the last message moved.
runs = Table(
    "runs",
    metadata,
    id_column(),
    Column("campaign_id", ForeignKey("campaigns.id"), nullable=False),
    time_column("due_at"),
    time_column("starts_at"),
    Column("pauses", ARRAY(DateTime(timezone=True)), nullable=False, server_default="{}"),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("position", Integer, nullable=False, server_default="0"),
    Column("zone_ranks", ARRAY(Integer), nullable=False),
    Column("zone_positions", ARRAY(Integer), nullable=False),
    Column("total", Integer, nullable=False),
    Column("messages", Integer, nullable=False, server_default="0"),
    Column("left_out", Integer, nullable=False, server_default="0"),
    Column("charged", BigInteger, nullable=False, server_default="0"),
    Column("shift", Interval),
    Column("shifted", BigInteger, nullable=False, server_default="0"),
    now_column("created_at"),
    time_column("expanded_at", nullable=True),
    time_column("finished_at", nullable=True),
    UniqueConstraint("campaign_id", "due_at"),
    CheckConstraint(check_one_of("state", RunState), "state"),
    CheckConstraint("position BETWEEN 0 AND total", "position"),
    Index("ix_runs_open", "campaign_id", postgresql_where=text("state IN ('expanding', 'sending')")),
)
