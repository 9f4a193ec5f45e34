"""The part of the OpenAPI document on files and batches: paths, and JSON Schemas of the replies."""

from schemas.openapi.operations import ERRORS, RETRY_AFTER
from schemas.openapi.replies import INTEGER, STRING, Json, array, nullable, object_of, ref

TAGS = [
    {"name": "Files", "description": "Files that the server keeps: requests for batches, and the batches' results."},
    {"name": "Batches", "description": "Files of requests that are answered while nobody waits."},
]
NO_DATABASE = "The database does not answer: `file_store_unavailable`."
TOLD = {
    400: "The request is invalid: `param` names the field.",
    404: "No such file or batch: `file_not_found`, `batch_not_found`.",
    429: "This API key has as many jobs as it may have; `Retry-After` says when to try again.",
    500: "An internal error.",
    503: NO_DATABASE,
}
OF_UPLOAD = {
    400: "The form is invalid, or this API key's files take all the room that they may: `file_storage_full`.",
    408: "Nothing came for `HEARTH_BODY_SECONDS`.",
    413: "The file is larger than `HEARTH_FILE_MAX_MB`.",
    415: "The body is not `multipart/form-data`.",
}
NO_OR_TEXT, NO_OR_TIME = nullable(STRING), nullable({**INTEGER, "description": "Unix seconds."})
STATES = ("validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled")
TIMES = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")


def _list(of: str) -> Json:
    page = {"object": {"const": "list"}, "data": array(ref(of)), "has_more": {"type": "boolean"}}
    return object_of(page | {"first_id": {**STRING, "description": "Empty where there are none."}, "last_id": STRING})


BATCH_REPLIES: dict[str, Json] = {
    "File": object_of(
        {
            "id": STRING,
            "object": {"const": "file"},
            "bytes": INTEGER,
            "created_at": INTEGER,
            "expires_at": INTEGER,
            "filename": STRING,
            "purpose": STRING,
            "status": {"const": "processed"},
            "status_details": {"type": "null"},
        }
    ),
    "FileList": _list("File"),
    "FileDeleted": object_of({"id": STRING, "object": {"const": "file"}, "deleted": {"const": True}}),
    "Batch": object_of(
        {
            "id": STRING,
            "object": {"const": "batch"},
            "endpoint": STRING,
            "model": nullable(STRING),
            "errors": nullable(object_of({"object": {"const": "list"}, "data": array(ref("BatchError"))})),
            "input_file_id": STRING,
            "completion_window": STRING,
            "status": {"enum": list(STATES)},
            "output_file_id": NO_OR_TEXT,
            "error_file_id": {**NO_OR_TEXT, "description": "The lines that were answered with an error."},
            "created_at": INTEGER,
            "expires_at": INTEGER,
            **{f"{name}_at": NO_OR_TIME for name in TIMES},
            "request_counts": object_of({"total": INTEGER, "completed": INTEGER, "failed": INTEGER}),
            "usage": object_of(
                {
                    "input_tokens": INTEGER,
                    "input_tokens_details": object_of({"cached_tokens": INTEGER}),
                    "output_tokens": INTEGER,
                    "output_tokens_details": object_of({"reasoning_tokens": INTEGER}),
                    "total_tokens": INTEGER,
                }
            ),
            "metadata": {"type": "object"},
        }
    ),
    "BatchError": object_of({"code": STRING, "message": STRING, "line": nullable(INTEGER), "param": NO_OR_TEXT}),
    "BatchList": _list("Batch"),
}


def _operation(tag: str, name: str, summary: str, content: Json, *errors: int, **more: Json | list[Json]) -> Json:
    responses: Json = {"200": {"description": "The current state.", "content": content}}
    own = TOLD | (OF_UPLOAD if name == "createFile" else {})
    for status in sorted((401, 500, 503, *errors)):
        told = own.get(status, ERRORS[status])
        headers = {"headers": RETRY_AFTER} if status in (429, 503) else {}
        error = {"application/json": {"schema": ref("Error")}}
        responses[str(status)] = {"description": told, "content": error, **headers}
    return {"tags": [tag], "operationId": name, "summary": summary, "responses": responses, **more}


def _json(name: str) -> Json:
    return {"application/json": {"schema": ref(name)}}


def _page(most: int, usual: int) -> list[Json]:
    limits = {"type": "integer", "minimum": 1, "maximum": most, "default": usual}
    order = {**STRING, "enum": ["asc", "desc"], "default": "desc"}
    wanted = (("limit", limits, "Most to return."), ("order", order, "`desc`: the newest first."))
    after = ("after", STRING, "An id: those that follow it are returned.")
    return [
        {"name": name, "in": "query", "required": False, "schema": schema, "description": told}
        for name, schema, told in (*wanted, after)
    ]


def _id(what: str) -> list[Json]:
    return [{"name": "id", "in": "path", "required": True, "schema": STRING, "description": f"The {what}'s `id`."}]


PURPOSE: Json = {"name": "purpose", "in": "query", "required": False, "schema": STRING, "description": "Only such."}
UPLOADED: Json = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {**STRING, "format": "binary", "description": "The file, a part with a `filename`."}},
}
UPLOAD: Json = {"schema": {"allOf": [UPLOADED, ref("FileUploadRequest")]}}
BYTES: Json = {"application/octet-stream": {"schema": {**STRING, "format": "binary"}}}
BATCH_PATHS: dict[str, Json] = {
    "/v1/files": {
        "post": _operation(
            "Files",
            "createFile",
            "Upload a file, as a form. Of `expires_after`, the form's fields are `expires_after[anchor]` and "
            "`expires_after[seconds]`.",
            _json("File"),
            *(400, 408, 413, 415),
            requestBody={"required": True, "content": {"multipart/form-data": UPLOAD}},
        ),
        "get": _operation(
            "Files",
            "listFiles",
            "List files. A page has at most 1,000, whatever the limit.",
            _json("FileList"),
            400,
            parameters=[*_page(10_000, 10_000), PURPOSE],
        ),
    },
    "/v1/files/{id}": {
        "get": _operation("Files", "getFile", "Describe a file.", _json("File"), 404, parameters=_id("file")),
        "delete": _operation(
            "Files",
            "deleteFile",
            "Delete a file. A batch that reads it goes on.",
            _json("FileDeleted"),
            404,
            parameters=_id("file"),
        ),
    },
    "/v1/files/{id}/content": {
        "get": _operation("Files", "getFileContent", "Get a file's bytes.", BYTES, 404, parameters=_id("file")),
    },
    "/v1/batches": {
        "post": _operation(
            "Batches",
            "createBatch",
            "Have each line of a file answered.",
            _json("Batch"),
            *(400, 408, 413, 415, 429),
            requestBody={"required": True, "content": _json("BatchRequest")},
        ),
        "get": _operation(
            "Batches", "listBatches", "List batches.", _json("BatchList"), 400, parameters=_page(100, 20)
        ),
    },
    "/v1/batches/{id}": {
        "get": _operation("Batches", "getBatch", "Get a batch.", _json("Batch"), 404, parameters=_id("batch")),
    },
    "/v1/batches/{id}/cancel": {
        "post": _operation(
            "Batches",
            "cancelBatch",
            "End a batch. What has been answered is kept; one that has ended otherwise is a 400.",
            _json("Batch"),
            *(400, 404),
            parameters=_id("batch"),
        ),
    },
}
