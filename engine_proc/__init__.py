"""The one process that owns the model: `hearth serve|start|status|wait|stop`."""
