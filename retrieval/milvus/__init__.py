"""Keep items in Milvus: connection, schema, kinds of index, store."""
