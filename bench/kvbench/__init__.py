"""The parts of ./dev bench kv."""
