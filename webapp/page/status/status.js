// The page at /status: polls /status.json every second and draws its values over time.

import { ask } from "../shared/api.js";
import { now } from "../shared/clock.js";
import { stageName } from "../shared/engine.js";
import { batches } from "./batches.js";
import { duration, row } from "./format.js";
import { bars, line } from "./plot.js";
import { quantile } from "./quantile.js";
import { requests } from "./requests.js";
import { Timeline } from "./timeline.js";
import { element } from "../shared/element.js";
import { t, translate } from "../shared/words.js";

const EVERY = 1000; // milliseconds
const KEPT = 300, LEAST = 60; // samples kept (five minutes), and the least that a plot has room for (one minute)
const $ = (id) => document.getElementById(id);
const history = [], timeline = new Timeline();

const STATES = {
  ready: t`The engine is ready`, loading: t`Loading the model`, restarting: t`Restarting the engine`,
  gone: t`The web tier cannot reach an engine`, incompatible: t`The web tier and the engine have incompatible versions`,
};

function seconds(value) {
  return value >= 1 ? `${+value.toPrecision(3)} s` : `${+(value * 1000).toPrecision(3)} ms`;
}

// Returns the histogram of what was counted between two samples.
function between(old, now) {
  return { bounds: now.bounds, counts: now.counts.map((count, index) => count - (old?.counts[index] ?? 0)) };
}

// Returns the generated tokens per second between sample `at` and the one before; 0 if the engine was replaced.
function rate(at) {
  const now = history[at], before = history[at - 1];
  if (!now.stats || !before?.stats || now.pid !== before.pid) return 0;
  return Math.max(0, (now.stats.generated_tokens - before.stats.generated_tokens) / ((now.at - before.at) / 1000));
}

function draw({ engine, web }) {
  const text = STATES[engine.state] + (engine.stage && engine.state !== "ready" ? t`: ${stageName(engine.stage)}, about ${Math.round(engine.progress * 100)}%` : "");
  showState(engine.problem ? `${text}: ${engine.problem}` : text, engine.state);
  $("progress").hidden = !["loading", "restarting"].includes(engine.state);
  $("progress").value = engine.progress;
  const room = Math.max(LEAST, history.length);
  const rates = history.map((_, index) => rate(index));
  const kept = (name) => history.map((sample) => sample[name] ?? 0);
  $("plots").replaceChildren(
    line(t`Tokens per second`, rates.at(-1).toFixed(0), rates, room),
    line(t`Running`, String(engine.running ?? 0), kept("running"), room),
    line(t`Waiting`, String(engine.waiting ?? 0), kept("waiting"), room),
    line(t`KV cache`, `${((engine.kv_cache_usage ?? 0) * 100).toFixed(1)}%`, kept("kv_cache_usage"), room, 0.01),
  );
  if (engine.stats) drawLatencies(engine);
  $("engine").replaceChildren(...facts(engine).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, String(value))]));
  $("workers").replaceChildren(...web.workers.map((worker) => row(worker.pid, duration(worker.age_seconds), `${(worker.rss_bytes / 2 ** 20).toFixed(0)} MiB`)));
}

function drawLatencies(engine) {
  const oldest = history.find((sample) => sample.pid === engine.pid && sample.stats);
  // A page that was just opened shows everything since the load.
  const since = history.length < 3 ? null : oldest.stats;
  $("histograms").replaceChildren(...[[t`Time to first token`, "ttft"], [t`Inter-token latency`, "itl"]].map(([title, name]) => {
    let values = between(since?.[name], engine.stats[name]);
    if (quantile(values, 0.5) === null) values = between(null, engine.stats[name]);
    const median = quantile(values, 0.5), p99 = quantile(values, 0.99);
    return bars(title, median === null ? t`none yet` : t`p50 ${seconds(median)}, p99 ${seconds(p99)}`, values, seconds);
  }));
}

function facts(engine) {
  const rows = [[t`uptime`, engine.uptime_seconds && duration(engine.uptime_seconds)], [t`model loads`, engine.load_count], ["pid", engine.pid]];
  if (engine.served_names) {
    rows.push([t`model`, `${engine.served_names[0]} (${engine.model})`], [t`context`, t`${engine.max_model_len} tokens`], [t`version`, engine.version], [t`fingerprint`, engine.fingerprint], [t`adapters`, engine.adapters.join(", ")]);
  }
  if (engine.stats) {
    const { prompt_tokens, generated_tokens, prefix_cache_hits: hits, prefix_cache_queries: queries } = engine.stats;
    rows.push([t`requests`, t`${engine.live} in progress`], [t`tokens`, t`${prompt_tokens.toLocaleString("en")} in prompts, ${generated_tokens.toLocaleString("en")} generated`], [t`prefix cache`, queries ? t`${((hits / queries) * 100).toFixed(1)}% of prompt tokens hit` : t`not used yet`]);
  }
  return rows.filter(([, value]) => value !== undefined && value !== "");
}

function showState(text, state) {
  if ($("state").textContent !== text) $("state").textContent = text; // else a screen reader reads it out every second
  $("state").dataset.state = state;
}

// Returns the server's status, and `at`, its time; null if the server refuses it or cannot be reached.
async function fetchStatus() {
  try {
    const response = await ask("/status.json", { signal: AbortSignal.timeout(8000) });
    const at = now(); // before the body is awaited: this browser's clock may be set meanwhile
    return { ...(await response.json()), at };
  } catch (error) {
    if (error.status === 401) showState(t`This server requires an API key: enter it on the chat page`, "refused");
    else showState(error.status ? error.message : t`The server cannot be reached`, "offline");
    return null;
  }
}

async function poll() {
  const status = await fetchStatus();
  setTimeout(poll, EVERY); // before the drawing, so that polling continues if that fails
  if (!status) return;
  history.push({ ...status.engine, at: performance.now() });
  if (history.length > KEPT) history.shift();
  draw(status);
  timeline.see(status, status.at);
}

translate();
requests();
batches();
poll();
