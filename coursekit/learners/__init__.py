"""Training: the loop, schedules, metrics, callbacks, checkpoints and recipes."""
