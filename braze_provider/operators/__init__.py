"""What a Dag's author writes: one operator for each way of sending with Braze."""
