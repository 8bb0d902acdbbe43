"""The bases of operators and sensors: a task that sends, one that makes a request, and one that waits."""
