"""Answer questions about the catalog, and recommend items, with what the answers rest on."""
