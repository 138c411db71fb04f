"""SQL for other statements: messages, called m, of which a provider has parts."""

# A provider has a part of it, or may have it: it is neither withdrawn nor refunded, and keeps its text.
MAY_BE_OUT = "(m.doubts > 0 OR m.parts_taken IS NOT NULL)"

# `PartsTaken.__str__` in SQL.
PARTS_OUT = (
    "length(replace(CAST(m.parts_taken AS text), '0', '')) || ' of ' || length(m.parts_taken)"
    " || ' parts went out'"
)


def with_taken(parts: str) -> str:
    """Return m.parts_taken with these parts, which are null if none were taken."""
    return (
        f"CASE WHEN {parts} IS NULL OR length({parts}) <> length(m.parts_taken) THEN m.parts_taken"
        f" ELSE coalesce(m.parts_taken | {parts}, {parts}) END"
    )
