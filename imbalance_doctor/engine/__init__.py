"""Facts x rules → what fires, what passes, what could not be checked and why."""
