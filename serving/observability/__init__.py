"""Tell what happens: metrics, traces, the audit log."""
