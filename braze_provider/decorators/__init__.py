"""Decorators that turn a function that yields recipients into a task that sends."""
