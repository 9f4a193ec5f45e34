// The page's frame around a conversation: drawers, dialogs and keyboard shortcuts.

import { keepKey, key } from "../shared/api.js";
import { announce } from "./announce.js";

const $ = (id) => document.getElementById(id);

function openKey() {
  if ($("key").open) return;
  $("key-wrong").hidden = true;
  $("key-value").value = key();
  $("key").showModal();
}

// The server has refused the key, or asks for one.
export function askKey() {
  openKey();
  $("key-wrong").hidden = !key();
}

export function closeDrawers() {
  toggleShelf(false);
  if (matchMedia("(max-width: 60rem)").matches) toggleFields(false);
}

function toggleFields(open = $("fields").hidden) {
  $("fields").hidden = !open;
  $("show-fields").setAttribute("aria-expanded", String(open));
}

function toggleShelf(open = !$("shelf").classList.contains("open")) {
  $("shelf").classList.toggle("open", open);
  $("show-shelf").setAttribute("aria-expanded", String(open));
}

// Attaches the event handlers. `fresh` starts a new conversation; `stop` aborts the answer in progress and returns whether
// there was one; `onKey` is called after a new API key is saved.
export function frame({ fresh, stop, onKey }) {
  $("new").addEventListener("click", fresh);
  $("stop").addEventListener("click", stop);
  $("show-shelf").addEventListener("click", () => toggleShelf());
  $("show-fields").addEventListener("click", () => toggleFields());
  $("ask-key").addEventListener("click", openKey);
  $("ask-help").addEventListener("click", () => $("help").showModal());
  $("cancel-key").addEventListener("click", () => $("key").close(""));
  $("cancel-again").addEventListener("click", () => $("again").close(""));
  $("key").addEventListener("close", () => {
    if ($("key").returnValue === "keep") {
      keepKey($("key-value").value.trim());
      onKey();
    }
  });
  announce($("transcript"), $("said"));
  document.addEventListener("click", closeBeside, { capture: true });
  document.addEventListener("keydown", (event) => {
    const action = shortcut(event, fresh, stop);
    if (!action) return;
    action();
    event.preventDefault();
  });
}

// A tap beside an open drawer closes it, and does nothing else.
function closeBeside(event) {
  const drawers = [["shelf", "44rem", "show-shelf", toggleShelf], ["fields", "60rem", "show-fields", toggleFields]];
  for (const [name, width, opener, toggle] of drawers) {
    const open = $(opener).getAttribute("aria-expanded") === "true" && matchMedia(`(max-width: ${width})`).matches;
    if (!open || event.target.closest(`#${name}, #${opener}, dialog`)) continue;
    toggle(false);
    event.preventDefault();
    event.stopPropagation();
  }
}

// Returns the action of a keyboard shortcut; null or undefined if the key is no shortcut.
function shortcut(event, fresh, stop) {
  const typing = /INPUT|TEXTAREA|SELECT/.test(event.target.tagName);
  const chord = event.ctrlKey || event.metaKey;
  if (event.isComposing || document.querySelector("dialog[open]")) return null;
  if (event.key === "Escape") return () => stop() || closeDrawers();
  if (chord && event.shiftKey && event.key.toLowerCase() === "o") return fresh;
  if (chord && event.key === ".") return () => toggleFields();
  if (typing || chord) return null;
  return { "/": () => $("prompt").focus(), "?": () => $("help").showModal() }[event.key];
}
