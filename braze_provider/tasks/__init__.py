"""What operators and sensors are made of: a task that sends, one that makes a request, and one that waits."""
