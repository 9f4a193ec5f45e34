"""Break the core in one place at a time, and find the breakages that no test notices."""
