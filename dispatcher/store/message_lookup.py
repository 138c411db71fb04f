"""SQL for other statements: messages found by the columns that never change."""

# Both tables, called k and m.
LOOKED_UP = "message_lookup k JOIN messages m ON m.id = k.message_id"

# The id of the message with the parameter `public_id`; null if there is none.
BY_PUBLIC_ID = "(SELECT message_id FROM message_lookup WHERE public_id = CAST(:public_id AS uuid))"

# The messages of the batches in the parameter `ids`, as an array.
OF_BATCHES = "ARRAY(SELECT message_id FROM message_lookup WHERE batch_id = ANY(CAST(:ids AS bigint[])))"
