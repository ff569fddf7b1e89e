"""Pictures as a part of an item's content: read, checked, made small, shown."""
