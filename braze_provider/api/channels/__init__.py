"""One module for each message channel of ``/messages/send``, and the object that holds them all."""
