"""The one process that owns the model: `python -m engine_proc serve|start|status|wait|stop`."""
