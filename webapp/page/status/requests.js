// The requests under way of all web workers, for operators: how old they are, and a button that ends one. It needs the admin key.

import { json } from "../shared/api.js";
import { element } from "../shared/element.js";
import { t } from "../shared/words.js";
import { duration, row } from "./format.js";

const EVERY = 2000; // milliseconds
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
  try {
    draw(await asAdmin("/admin/requests"));
    $("admin").hidden = true;
    $("under-way").hidden = false;
  } catch (error) {
    tell(error);
    if (error.status === 401 || error.status === 403) return;
  }
  timer = setTimeout(poll, EVERY);
}

function tell({ code, status, message }) {
  const refused = { invalid_admin_key: t`This is not the admin key.`, no_admin_key: t`This server has no admin key: its operator can set HEARTH_ADMIN_KEY.` }[code];
  $("requests-note").textContent = refused ?? (status ? message : t`The server cannot be reached`);
  $("admin").hidden = status !== 401 && !$("under-way").hidden;
}

function draw({ data, total }) {
  $("requests-note").textContent = total > data.length ? t`${total} requests, of which the oldest ${data.length} are listed` : t`${total} requests`;
  const focused = document.activeElement?.dataset.ends;
  $("requests").replaceChildren(...data.map((request) => {
    const end = element("button", { type: "button" }, t`End`);
    end.dataset.ends = request.id;
    end.setAttribute("aria-label", t`End ${request.id}`);
    end.addEventListener("click", () => abort(request.id, end));
    return row(duration(request.age_seconds), request.key, request.user || "-", request.sequences, request.id, end);
  }));
  if (focused) $("requests").querySelector(`[data-ends="${CSS.escape(focused)}"]`)?.focus();
}

async function abort(id, button) {
  button.disabled = true;
  await asAdmin(`/admin/requests/${encodeURIComponent(id)}`, { method: "DELETE" }).catch((error) => error.status === 404 || tell(error));
  poll();
}
