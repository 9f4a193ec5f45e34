"""What probes and operators are told, as JSON Schemas."""

from schemas.openapi.replies import INTEGER, NUMBER, STRING, Json, array, maybe, thing

ENGINE_STATE = thing(
    {
        "state": {"enum": ["ready", "loading", "restarting", "gone", "incompatible"]},
        "stage": STRING,
        "progress": {**NUMBER, "minimum": 0, "maximum": 1, "description": "How far a load has come."},
    }
)
HISTOGRAM = {
    **thing({"bounds": array(NUMBER), "counts": array(INTEGER), "total": NUMBER}),
    "description": "Seconds: `counts[i]` values were at most `bounds[i]` and above the bound before; the last count "
    "has none above it.",
}
OPERATING: dict[str, Json] = {
    "Health": thing(
        {
            "status": {"const": "ok"},
            "engine": ENGINE_STATE,
        }
    ),
    "Ready": thing({"status": {"const": "ready"}}),
    "Version": thing(
        {
            "version": STRING,
            "protocol": STRING,
            "engine": maybe(
                thing(
                    {
                        "version": STRING,
                        "protocol": STRING,
                        "fingerprint": {**STRING, "description": "Of the loaded model's files."},
                        "pid": INTEGER,
                        "load_count": {**INTEGER, "description": "How often the model has been loaded."},
                    }
                )
            ),
        }
    ),
    "Status": thing(
        {
            "engine": {
                **ENGINE_STATE,
                "description": "While the model loads, and without an engine, the rest of it is missing.",
                "properties": {
                    **ENGINE_STATE["properties"],
                    "pid": INTEGER,
                    "load_count": INTEGER,
                    "uptime_seconds": INTEGER,
                    "live": {**INTEGER, "description": "Requests, over all web workers."},
                    "running": {**INTEGER, "description": "Sequences that vLLM computes."},
                    "waiting": {**INTEGER, "description": "Sequences in its queue."},
                    "kv_cache_usage": {**NUMBER, "minimum": 0, "maximum": 1},
                    "model": STRING,
                    "served_names": array(STRING),
                    "adapters": array(STRING),
                    "fingerprint": STRING,
                    "version": STRING,
                    "protocol": {**STRING, "description": "Of the wire."},
                    "max_model_len": INTEGER,
                    "stats": thing(
                        {
                            "ttft": HISTOGRAM,
                            "itl": HISTOGRAM,
                            "prompt_tokens": INTEGER,
                            "generated_tokens": INTEGER,
                            "prefix_cache_queries": INTEGER,
                            "prefix_cache_hits": INTEGER,
                        }
                    ),
                },
            },
            "web": thing(
                {
                    "version": STRING,
                    "workers": array(thing({"pid": INTEGER, "age_seconds": NUMBER, "rss_bytes": INTEGER})),
                }
            ),
        }
    ),
}
