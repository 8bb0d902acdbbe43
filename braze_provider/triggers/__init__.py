"""The triggers, which wait for a deferred task. Nothing here ever sends."""
