// The requests under way of all web workers and the background answers, for operators: how old they are, how far, and a button that
// ends one. Both need the admin key.

import { json } from "../shared/api.js";
import { element } from "../shared/element.js";
import { t } from "../shared/words.js";
import { duration, row } from "./format.js";

const EVERY = 2000; // milliseconds
const REFUSED = [401, 403]; // the statuses of a wrong key, and of a server that has none
const STATES = { queued: t`queued`, in_progress: t`in progress` };
const LISTS = [
  {
    name: "requests",
    counted: (total, listed) => (total > listed ? t`${total} requests, of which the oldest ${listed} are listed` : t`${total} requests`),
    cells: ({ age_seconds: age, key, user, sequences, id }) => [duration(age), key, user || "-", sequences, id],
  },
  {
    name: "jobs",
    counted: (total, listed) => (total > listed ? t`${total} background answers, of which ${listed} are listed` : t`${total} background answers`),
    cells: ({ age_seconds: age, state, tokens, key, id }) => [duration(age), STATES[state] ?? state, tokens, key, id],
  },
];
const $ = (id) => document.getElementById(id);
let key = ""; // kept until the page is closed: it may end anybody's request
let timer = 0;

const asAdmin = (path, options) => json(path, { ...options, headers: { Authorization: `Bearer ${key}` }, signal: AbortSignal.timeout(8000) });

export function requests() {
  $("admin").addEventListener("submit", (event) => {
    event.preventDefault();
    key = $("admin-key").value.trim();
    $("admin-key").value = "";
    poll();
  });
}

async function poll() {
  clearTimeout(timer);
  const failures = await Promise.all(LISTS.map(look));
  const refused = failures.some((error) => REFUSED.includes(error?.status));
  $("admin").hidden = !refused;
  $("background").hidden = refused || failures[1]?.status === 404; // an older server
  if (refused) for (const { name } of LISTS) $(`${name}-table`).hidden = true;
  clearTimeout(timer); // another look may have ended meanwhile
  if (!refused) timer = setTimeout(poll, EVERY);
}

// Asks for one of the lists, and draws it. Returns why that failed, or null.
async function look(list) {
  try {
    draw(list, await asAdmin(`/admin/${list.name}`));
    return null;
  } catch (error) {
    tell(list, error);
    return error;
  }
}

function tell({ name }, { code, status, message }) {
  const refused = { invalid_admin_key: t`This is not the admin key.`, no_admin_key: t`This server has no admin key: its operator can set HEARTH_ADMIN_KEY.` }[code];
  $(`${name}-note`).textContent = refused ?? (status ? message : t`The server cannot be reached`);
}

function draw(list, { data, total }) {
  const { name, counted, cells } = list;
  $(`${name}-note`).textContent = counted(total, data.length);
  $(`${name}-table`).hidden = !data.length;
  const focused = document.activeElement?.dataset.ends;
  $(name).replaceChildren(...data.map((each) => {
    const end = element("button", { type: "button" }, t`End`);
    end.dataset.ends = each.id;
    end.setAttribute("aria-label", t`End ${each.id}`);
    end.addEventListener("click", () => abort(list, each.id, end));
    return row(...cells(each), end);
  }));
  if (focused) $(name).querySelector(`[data-ends="${CSS.escape(focused)}"]`)?.focus();
}

async function abort(list, id, button) {
  button.disabled = true;
  await asAdmin(`/admin/${list.name}/${encodeURIComponent(id)}`, { method: "DELETE" }).catch((error) => error.status === 404 || tell(list, error));
  poll();
}
