"""The breakages: each one is a change of a few characters, and the tests of which at least one must then fail."""

from dataclasses import dataclass

SERVING, ANSWERING, ADAPTER, BATCH = (
    f"tests/engine_proc/{room}/" for room in ("serving", "answering", "adapter", "batch")
)
ENGINE, WEB = "tests/webapp/engine/", "tests/webapp/"
REQUESTS, REPLIES = "tests/schemas/requests", "tests/schemas/replies"


@dataclass(frozen=True, slots=True)
class Breakage:
    """Replaces `old`, which the file has exactly once, by `new`."""

    file: str
    old: str
    new: str
    tests: str
    """Files or folders of tests, separated by spaces."""


BREAKAGES = [
    # ---- the engine: what a client could do to the others ----------------------------------------------------------
    Breakage(
        "engine_proc/adapter/grammars/counting.py",
        'whole = rules[found["name"]].whole if',
        "whole = 0 if",
        ADAPTER + "grammars/test_costs.py",
    ),
    Breakage(
        "engine_proc/adapter/calls/apart.py",
        "resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))",
        "pass",
        ADAPTER + "calls/test_apart.py",
    ),
    Breakage(
        "engine_proc/answering/fair_turns.py",
        "min(self._waiting, key=lambda waiting: self._running[waiting])",
        "next(iter(self._waiting))",
        ANSWERING + "test_fair_turns.py",
    ),
    # ---- the engine: which requests are admitted, and how they end ------------------------------------------------
    Breakage(
        "engine_proc/serving/admission.py",
        "excess := live.sequences + sequences - self.max_queue) > 0",
        "excess := live.sequences + sequences - self.max_queue) > 1",
        SERVING + "test_admission.py " + SERVING + "test_server.py",
    ),
    Breakage(
        "engine_proc/serving/admission.py",
        "if generate.resumed:",
        "if False:",
        SERVING + "test_admission.py " + SERVING + "test_server.py",
    ),
    Breakage(
        "engine_proc/serving/admission.py",
        "if self.max_per_key and generate.tenant:",
        "if self.max_per_key and not generate.tenant:",
        SERVING + "test_admission.py " + SERVING + "test_server.py",
    ),
    Breakage(
        "engine_proc/serving/admission.py",
        "min(LONGEST_WAIT, math.ceil(sequences * observed / self._sequences))",
        "min(LONGEST_WAIT, math.ceil(sequences / observed / self._sequences))",
        SERVING + "test_admission.py",
    ),
    Breakage(
        "engine_proc/serving/drain.py",
        "self._deadline = min(self._deadline,",
        "self._deadline = max(self._deadline,",
        SERVING + "test_server.py tests/engine_proc/process",
    ),
    Breakage(
        "engine_proc/serving/load_clock.py",
        "self._began += now - self._share_set_at",
        "self._began -= now - self._share_set_at",
        SERVING + "test_load_clock.py",
    ),
    Breakage(
        "engine_proc/serving/clients.py",
        "if now - checked_at > wire.CLIENT_SILENCE_LIMIT / 2:",
        "if False:",
        SERVING + "test_server.py",
    ),
    Breakage("engine_proc/serving/clients.py", "if at < limit]", "if at > limit]", SERVING + "test_server.py"),
    Breakage(
        "engine_proc/serving/server.py",
        "open_choices = generate.choices - len(set(generate.ended))",
        "open_choices = generate.choices",
        SERVING + "test_server.py",
    ),
    Breakage(
        "engine_proc/serving/server.py",
        "if not self.live.has(client, request_id):",
        "if False:",
        SERVING + "test_server.py",
    ),
    Breakage(
        "engine_proc/serving/launcher.py",
        "            if request not in self._live:\n                self._endings.abort(request)\n",
        "            pass\n",
        SERVING + "test_server.py",
    ),
    Breakage("engine_proc/serving/outbox.py", "request.open -= 1", "request.open -= 2", SERVING + "test_server.py"),
    Breakage(
        "engine_proc/serving/failures.py",
        'if output.finish_reason == "error":',
        "if False:",
        SERVING + "test_server.py",
    ),
    Breakage(
        "engine_proc/serving/server.py",
        "self.admission.rate.record(request.sequences)",
        "self.admission.rate.record(1)",
        SERVING + "test_server.py",
    ),
    Breakage(
        "engine_proc/serving/quarantine.py",
        "TOKENS_FACTOR ** (losses - 1)",
        "TOKENS_FACTOR**losses",
        SERVING + "test_quarantine.py",
    ),
    Breakage(
        "engine_proc/serving/quarantine.py",
        "elif self._alone:",
        "elif not self._alone:",
        SERVING + "test_quarantine.py",
    ),
    Breakage("engine_proc/serving/router.py", "if len(frames) > MAX_FRAMES:", "if False:", SERVING + "test_router.py"),
    Breakage(
        "engine_proc/serving/router.py",
        "for payload in payloads[:-1]:",
        "for payload in payloads[1:-1]:",
        SERVING + "test_router.py",
    ),
    Breakage(
        "engine_proc/answering/live.py",
        "self._tenants[request.tenant] -= request.sequences",
        "self._tenants[request.tenant] -= 1",
        ANSWERING + "test_live.py",
    ),
    Breakage(
        "engine_proc/answering/live.py",
        "self._requests.get((request.client, request.id)) is request",
        "(request.client, request.id) in self._requests",
        ANSWERING + "test_live.py " + SERVING + "test_server.py",
    ),
    # ---- the engine: what is generated ----------------------------------------------------------------------------
    Breakage(
        "engine_proc/answering/choices.py",
        "if len(self._finished) < self.candidates:",
        "if len(self._finished) < len(self.choices):",
        ANSWERING + " " + SERVING + "test_server.py",
    ),
    Breakage(
        "engine_proc/answering/choices.py",
        "/ max(1, len(output.token_ids))",
        "/ 1",
        ANSWERING + " " + SERVING + "test_server.py",
    ),
    Breakage(
        "engine_proc/answering/choices.py",
        "if reason is not None:\n            text += self.ending",
        "text += self.ending",
        ANSWERING + " " + SERVING + "test_server.py",
    ),
    Breakage(
        "engine_proc/answering/rewritten.py",
        "output.token_ids != self.sent[begin : begin + len(output.token_ids)] or ended_early",
        "ended_early",
        ANSWERING + " " + SERVING + "test_server.py",
    ),
    Breakage(
        "engine_proc/answering/beam_ranking.py",
        "if rank >= width and has_ended:",
        "if has_ended:",
        ANSWERING + "test_beam_search.py",
    ),
    Breakage(
        "engine_proc/answering/beam_search.py",
        "best_running.logprob / length**self._rules.length_penalty > self._finished[-1].score",
        "best_running.logprob / length**self._rules.length_penalty > self._finished[0].score",
        ANSWERING + "test_beam_search.py",
    ),
    Breakage(
        "engine_proc/answering/beam_search.py",
        "await self._engine.abort(self._keys)",
        "pass",
        ANSWERING + "test_beam_search.py",
    ),
    Breakage(
        "engine_proc/answering/starting.py",
        "if choice.index not in generate.ended",
        "if True",
        ANSWERING + "test_starting.py",
    ),
    Breakage(
        "engine_proc/adapter/sampling.py", "wanted.seed % HIGHEST_SEED", "wanted.seed", ADAPTER + "test_sampling.py"
    ),
    Breakage(
        "engine_proc/adapter/sampling.py",
        "return min(requested, room)",
        "return requested",
        ADAPTER + "test_sampling.py",
    ),
    Breakage(
        "engine_proc/adapter/sampling.py",
        "params.seed = (params.seed + number) % HIGHEST_SEED",
        "params.seed = params.seed % HIGHEST_SEED",
        ADAPTER + "test_sampling.py",
    ),
    Breakage(
        "engine_proc/adapter/prompts/rendering.py",
        "if prompt.tokens >= self._max_model_len:",
        "if prompt.tokens > self._max_model_len:",
        ADAPTER + "prompts/test_rendering.py",
    ),
    Breakage(
        "engine_proc/adapter/resuming.py",
        "max(1, (params.max_tokens or 0) - len(sent))",
        "max(1, params.max_tokens or 0)",
        ADAPTER + "test_resuming.py",
    ),
    Breakage(
        "engine_proc/adapter/resuming.py",
        "remaining.seed = (params.seed + len(sent)) % HIGHEST_SEED",
        "remaining.seed = params.seed",
        ADAPTER + "test_resuming.py",
    ),
    # ---- batches and processes ------------------------------------------------------------------------------------
    Breakage("engine_proc/batch/files.py", "os.ftruncate(fd, complete)", "pass", BATCH + "test_files.py"),
    Breakage(
        "engine_proc/batch/files.py",
        "fcntl.LOCK_EX | fcntl.LOCK_NB",
        "fcntl.LOCK_SH | fcntl.LOCK_NB",
        BATCH + "test_files.py",
    ),
    Breakage(
        "engine_proc/batch/lines.py",
        "if line.custom_id in self._done.ids:",
        "if line.custom_id not in self._done.ids:",
        BATCH + "test_lines.py",
    ),
    Breakage(
        "engine_proc/lock.py",
        "fcntl.LOCK_EX | fcntl.LOCK_NB",
        "fcntl.LOCK_SH | fcntl.LOCK_NB",
        "tests/engine_proc/test_lock.py",
    ),
    Breakage(
        "engine_proc/process/supervisor.py",
        "self.loaded = watchdog.loaded",
        "self.loaded = not watchdog.loaded",
        "tests/engine_proc/process",
    ),
    Breakage(
        "engine_proc/process/watchdog.py",
        "if now - self._last_check > 5.0:",
        "if now - self._last_check > 0.0:",
        "tests/engine_proc/process",
    ),
    Breakage(
        "engine_proc/process/supervisor.py",
        "        _adopt_orphans()\n",
        "",
        "tests/engine_proc/process/test_supervisor.py",
    ),
    Breakage(
        "engine_proc/adapter/loading/children.py",
        "    BaseProcess._bootstrap = work_and_exit  # type: ignore[attr-defined]\n",
        "",
        ADAPTER + "test_children.py",
    ),
    Breakage(
        "webapp/server/worker.py",
        "        self._ending.set()\n",
        "        pass\n",
        WEB + "server/test_gunicorn_worker.py",
    ),
    Breakage(
        "webapp/server/worker.py",
        "self.handle, ListenerName(listening))",
        "self.handle, listening)",
        WEB + "server/test_gunicorn_worker.py",
    ),
    Breakage(
        "webapp/server/worker.py",
        "while any(server.pool for server in servers):",
        "while not servers:",
        WEB + "server/test_gunicorn_worker.py",
    ),
    # ---- the web tier: the engine's client ------------------------------------------------------------------------
    Breakage(
        "webapp/engine/client.py",
        "self.live.pop(reply.id, None) is not None and not reply.finished",
        "self.live.pop(reply.id, None) is not None and reply.finished",
        ENGINE,
    ),
    Breakage("webapp/engine/client.py", "self._abort_later += self.live", "pass", ENGINE),
    Breakage("webapp/engine/client.py", "self._was_ready = self._was_ready or welcome.load.ready", "pass", ENGINE),
    Breakage("webapp/engine/client.py", "> ENGINE_SILENCE_LIMIT:", "> 100 * ENGINE_SILENCE_LIMIT:", ENGINE),
    Breakage("webapp/engine/questions.py", "time.monotonic() - received_at < CACHE_SECONDS", "True", ENGINE),
    Breakage("webapp/engine/reply.py", "if len(self._queue) >= MAX_QUEUED:", "if False:", ENGINE),
    Breakage("webapp/engine/reply.py", "if index not in ended}", "if True}", ENGINE),
    Breakage("webapp/engine/reply.py", "            self._queue = [error]\n", "            pass\n", ENGINE),
    Breakage("webapp/engine/recovery.py", "reply.waiting_since or time.monotonic()", "time.monotonic()", ENGINE),
    Breakage("webapp/engine/recovery.py", "if reply.fingerprint != welcome.fingerprint:", "if False:", ENGINE),
    Breakage("webapp/engine/suspicion.py", "if self._suspect and testing is None:", "if testing is None:", ENGINE),
    # ---- the web tier: answers ------------------------------------------------------------------------------------
    Breakage(
        "webapp/answering/sse.py",
        "        writer.flush()\n        if opening is None:",
        "        if opening is None:",
        WEB + "answering " + WEB + "connection",
    ),
    Breakage(
        "schemas/requests/parts/json_types.py",
        "raise ValidationError(error.messages, data=error.data, valid_data=error.valid_data)",
        "raise error",
        REQUESTS + "/reading",
    ),
    Breakage("webapp/answering/sse.py", "timeout = PING_SECONDS - writer.silence()", "pass", WEB + "answering"),
    Breakage(
        "webapp/answering/message.py",
        "if params.stream and params.rewritten and",
        "if params.stream and",
        WEB + "answering " + WEB + "engine",
    ),
    Breakage(
        "webapp/answering/message.py", 'return f"{call.scope}/{given}" if given else own', "return given or own", WEB
    ),
    Breakage(
        "webapp/answering/request_body.py",
        "size != request.content_length",
        "size > request.content_length",
        WEB + "answering",
    ),
    Breakage("webapp/server/gate.py", "time.thread_time() - self._since < LONGEST", "True", WEB + "server"),
    Breakage(
        "webapp/connection/chunk_writer.py",
        "self._connection is not None and not self._unsent",
        "self._connection is not None",
        WEB + "connection",
    ),
    Breakage(
        "webapp/connection/chunk_writer.py",
        "unsent, self._unsent = self._unsent, []",
        "unsent = self._unsent",
        WEB + "connection",
    ),
    Breakage(
        "webapp/middleware/auth.py",
        'if matches and scheme.lower() == "bearer" else None',
        "if matches else None",
        WEB + "middleware",
    ),
    Breakage("webapp/middleware/auth.py", 'request.method in ("GET", "HEAD")', "True", WEB + "middleware"),
    Breakage(
        "webapp/api_keys.py",
        "    if not entries:  # an empty file must not mean that no key is required\n",
        "    if False:\n",
        "tests/webapp/test_settings.py",
    ),
    Breakage(
        "webapp/conversations/turns.py", 'if echo and last["role"] == "assistant":', "if False:", WEB + "conversations"
    ),
    Breakage(
        "webapp/conversations/turns.py",
        "if turn.continues and placed and _extends",
        "if turn.continues and _extends",
        WEB + "conversations",
    ),
    # ---- jobs -----------------------------------------------------------------------------------------------------
    Breakage("webapp/jobs/leases.py", "if watched >= LOST_SECONDS and", "if", WEB + "jobs/test_leases.py"),
    Breakage(
        "webapp/jobs/leases.py",
        "if n in held and held[n].epoch == holder.epoch:",
        "if n in held:",
        WEB + "jobs/test_leases.py",
    ),
    Breakage("webapp/jobs/store.py", " & (jobs.c.epoch == write.epoch)", "", WEB + "jobs/test_store.py"),
    Breakage(
        "webapp/jobs/log/reader.py",
        "self._ready += events[max(0, self._after + 1 - first) :]",
        "self._ready += events",
        WEB + "jobs",
    ),
    Breakage("webapp/jobs/run.py", "if self._stopped or self._wish:", "if self._stopped:", WEB + "jobs"),
    # ---- the schemas ----------------------------------------------------------------------------------------------
    Breakage(
        "schemas/replies/shape.py", "delta.cached_tokens and delta.index % self._n == 0", "delta.cached_tokens", REPLIES
    ),
    Breakage("schemas/replies/shape.py", "min(self.cached_tokens, self.prompt_tokens)", "self.cached_tokens", REPLIES),
    Breakage(
        "schemas/replies/token_scores.py",
        "return 0 if entry.silent else len(entry.text)",
        "return len(entry.text)",
        REPLIES,
    ),
    Breakage("schemas/replies/choice.py", "if call.index < len(self.calls):", "if False:", REPLIES),
    Breakage(
        "schemas/wire/generate.py",
        "max(self.n, self.best_of)",
        "self.best_of or self.n",
        REQUESTS + " tests/schemas/wire",
    ),
    Breakage(
        "schemas/shared/log_lines.py",
        "return escape(super().formatMessage(record))",
        "return super().formatMessage(record)",
        "tests/schemas/shared",
    ),
    Breakage(
        "schemas/shared/log_lines.py", 'text.encode(errors="backslashreplace").decode()', "text", "tests/schemas/shared"
    ),
    # ---- Anthropic's API -----------------------------------------------------------------------------------------
    Breakage(
        "schemas/requests/anthropic/blocks.py",
        "if text and not text.startswith(ATTRIBUTION)]",
        "if text]",
        REQUESTS + "/anthropic",
    ),
    Breakage(
        "schemas/requests/anthropic/turns.py",
        'or last.role != more.role or more.role == "tool":',
        "or last.role != more.role:",
        REQUESTS + "/anthropic",
    ),
    Breakage(
        "schemas/replies/anthropic/message.py",
        '"input_tokens": self.prompt_tokens - cached,',
        '"input_tokens": self.prompt_tokens,',
        REPLIES + "/test_anthropic.py",
    ),
    Breakage(
        "webapp/middleware/errors.py",
        "error_body(error, name) if is_anthropic(request.path) else error.body()",
        "error.body()",
        WEB + "routes/test_messages.py",
    ),
    Breakage(
        "webapp/middleware/auth.py",
        'find_key(given, keys) or find_key(f"Bearer {other}", keys)',
        "find_key(given, keys)",
        WEB + "routes/test_messages.py",
    ),
]
