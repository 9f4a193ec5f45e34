// The batches of the reader's API key: how far they are, their results, and a button that cancels one.

import { ask, json } from "../shared/api.js";
import { element } from "../shared/element.js";
import { t } from "../shared/words.js";
import { row } from "./format.js";

const EVERY = 3000; // milliseconds
const MOST = 20; // batches, the newest
const LIVE = ["validating", "in_progress", "finalizing", "cancelling"];
const STATES = {
  validating: t`being checked`, in_progress: t`in progress`, finalizing: t`being completed`, cancelling: t`being cancelled`,
  completed: t`completed`, failed: t`failed`, expired: t`expired`, cancelled: t`cancelled`,
};
const $ = (id) => document.getElementById(id);
let drawn = "";

export async function batches() {
  try {
    const { data } = await json(`/v1/batches?limit=${MOST}`, { signal: AbortSignal.timeout(8000) });
    $("batches-note").textContent = data.length ? "" : t`There are no batches.`;
    $("batch-table").hidden = !data.length;
    if (drawn !== JSON.stringify(data)) draw(data); // else a button would lose its focus for nothing
    drawn = JSON.stringify(data);
  } catch (error) {
    $("batches-note").textContent = error.status ? error.message : t`The server cannot be reached`;
  }
  setTimeout(batches, EVERY);
}

function draw(data) {
  const focused = document.activeElement?.dataset.of;
  $("batches").replaceChildren(...data.map((batch) => {
    const { total, completed, failed } = batch.request_counts;
    const bar = element("progress", { max: Math.max(1, total), value: completed + failed });
    bar.setAttribute("aria-label", t`Progress of ${batch.id}`);
    const counts = failed ? t`${completed} of ${total}, ${failed} failed` : t`${completed} of ${total}`;
    const problem = batch.errors?.data[0]?.message ?? "";
    const state = element("span", { title: problem }, STATES[batch.status] ?? batch.status, problem && `: ${problem}`);
    const time = new Date(batch.created_at * 1000).toLocaleString();
    return row(batch.id, time, state, element("span", { className: "far" }, bar, counts), element("span", {}, ...actions(batch)));
  }));
  if (focused) $("batches").querySelector(`[data-of="${CSS.escape(focused)}"]`)?.focus();
}

function actions({ id, status, output_file_id: output, error_file_id: errors }) {
  const found = [];
  if (output) found.push(button(t`Results`, t`Results of ${id}`, () => download(output)));
  if (errors) found.push(button(t`Errors`, t`Errors of ${id}`, () => download(errors)));
  if (LIVE.includes(status) && status !== "cancelling") found.push(button(t`Cancel`, t`Cancel ${id}`, () => ask(`/v1/batches/${encodeURIComponent(id)}/cancel`, { method: "POST" })));
  return found;
}

function button(label, name, action) {
  const made = element("button", { type: "button" }, label);
  made.setAttribute("aria-label", name);
  made.dataset.of = name;
  made.addEventListener("click", async () => {
    made.disabled = true;
    await action().catch((error) => ($("batches-note").textContent = error.message));
    made.disabled = false;
  });
  return made;
}

async function download(id) {
  const response = await ask(`/v1/files/${encodeURIComponent(id)}/content`);
  const link = element("a", { href: URL.createObjectURL(await response.blob()), download: `${id}.jsonl` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the browser may ask where to put it
}
