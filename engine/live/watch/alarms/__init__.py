"""Alarms that arrive: channels, the threads that send, the sign of life, the message about the day."""
