"""JSON Schemas of the replies to probes and operators: health, version, status."""

from schemas.openapi.replies import INTEGER, NUMBER, STRING, Json, array, nullable, object_of

ENGINE_STATE = object_of(
    {
        "state": {"enum": ["ready", "loading", "restarting", "gone", "incompatible"]},
        "stage": STRING,
        "progress": {**NUMBER, "minimum": 0, "maximum": 1, "description": "How far the model has loaded."},
    },
    {"problem": {**STRING, "description": "Why no engine runs, where that is known; else missing."}},
)
HISTOGRAM = {
    **object_of({"bounds": array(NUMBER), "counts": array(INTEGER), "total": NUMBER}),
    "description": "In seconds: `counts[i]` values were at most `bounds[i]` and above `bounds[i-1]`; the last count is "
    "of values above every bound. `total` is the sum of all values.",
}
OPERATING: dict[str, Json] = {
    "Health": object_of(
        {
            "status": {"const": "ok"},
            "engine": ENGINE_STATE,
        }
    ),
    "Ready": object_of({"status": {"const": "ready"}}),
    "Version": object_of(
        {
            "version": STRING,
            "protocol": STRING,
            "engine": nullable(
                object_of(
                    {
                        "version": STRING,
                        "protocol": STRING,
                        "fingerprint": {**STRING, "description": "A digest of the loaded model's files."},
                        "pid": INTEGER,
                        "load_count": {**INTEGER, "description": "How many times the model has been loaded."},
                    }
                )
            ),
        }
    ),
    "RequestList": object_of(
        {
            "object": {"const": "list"},
            "data": array(
                object_of(
                    {
                        "id": {**STRING, "description": "The `id` of its reply."},
                        "object": {"const": "request"},
                        "age_seconds": {**NUMBER, "description": "How long this engine has had it."},
                        "key": {**STRING, "description": "The name of its API key, or `-`."},
                        "user": STRING,
                        "sequences": {**INTEGER, "description": "Its choices and candidates, of all prompts."},
                    }
                )
            ),
            "total": {**INTEGER, "description": "All that are under way."},
        }
    ),
    "JobList": object_of(
        {
            "object": {"const": "list"},
            "data": array(
                object_of(
                    {
                        "id": {**STRING, "description": "The `id` of the response."},
                        "object": {"const": "job"},
                        "state": {"enum": ["queued", "in_progress"]},
                        "age_seconds": {**NUMBER, "description": "How long ago it was asked for."},
                        "key": {**STRING, "description": "The name of its API key, or `-`."},
                        "tokens": {**INTEGER, "description": "How many it has generated."},
                    }
                )
            ),
            "total": {**INTEGER, "description": "All that have not ended; no more than 10,000 are counted."},
        }
    ),
    "JobEnded": object_of({"id": STRING, "object": {"const": "job"}, "ended": {"const": True}}),
    "RequestEnded": object_of({"id": STRING, "object": {"const": "request"}, "ended": {"const": True}}),
    "Status": object_of(
        {
            "engine": {
                **ENGINE_STATE,
                "description": "`state`, `stage` and `progress` are always present. Other fields may be missing while "
                "the model loads, and without an engine.",
                "properties": {
                    **ENGINE_STATE["properties"],
                    "pid": INTEGER,
                    "load_count": INTEGER,
                    "uptime_seconds": INTEGER,
                    "live": {**INTEGER, "description": "Requests accepted and not yet finished, over all web workers."},
                    "running": {**INTEGER, "description": "Sequences that vLLM computes."},
                    "waiting": {**INTEGER, "description": "Sequences in vLLM's queue."},
                    "kv_cache_usage": {**NUMBER, "minimum": 0, "maximum": 1},
                    "model": STRING,
                    "served_names": array(STRING),
                    "adapters": array(STRING),
                    "fingerprint": STRING,
                    "version": STRING,
                    "protocol": {**STRING, "description": "The version of the protocol between web tier and engine."},
                    "max_model_len": INTEGER,
                    "shortcuts": {
                        **array(STRING),
                        "description": "What the engine does by quicker ways than vLLM's, proved equal at its load.",
                    },
                    "stats": object_of(
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
            "web": object_of(
                {
                    "version": STRING,
                    "workers": array(object_of({"pid": INTEGER, "age_seconds": NUMBER, "rss_bytes": INTEGER})),
                }
            ),
        }
    ),
}
