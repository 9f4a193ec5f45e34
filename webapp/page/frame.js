// What stands around a conversation: the drawers, the dialogs, the keyboard.

import { keepKey, key } from "./api.js";

const $ = (id) => document.getElementById(id);

export function askKey() {
  if ($("key").open) return;
  $("key-value").value = key();
  $("key").showModal();
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

// `fresh` begins a conversation; `stop` ends an answer, and says whether there was one; `keyed` hears of a new key.
export function frame({ fresh, stop, keyed }) {
  $("new").addEventListener("click", fresh);
  $("stop").addEventListener("click", stop);
  $("show-shelf").addEventListener("click", () => toggleShelf());
  $("show-fields").addEventListener("click", () => toggleFields());
  $("ask-key").addEventListener("click", askKey);
  $("ask-help").addEventListener("click", () => $("help").showModal());
  $("leave-key").addEventListener("click", () => $("key").close(""));
  $("key").addEventListener("close", () => {
    if ($("key").returnValue === "keep") {
      keepKey($("key-value").value.trim());
      keyed();
    }
  });
  document.addEventListener("keydown", (event) => {
    const act = meaning(event, fresh, stop);
    if (!act) return;
    act();
    event.preventDefault();
  });
}

function meaning(event, fresh, stop) {
  const typing = /INPUT|TEXTAREA|SELECT/.test(event.target.tagName);
  const chord = event.ctrlKey || event.metaKey;
  if (event.isComposing || document.querySelector("dialog[open]")) return null;
  if (event.key === "Escape") return () => stop() || closeDrawers();
  if (chord && event.shiftKey && event.key.toLowerCase() === "o") return fresh;
  if (chord && event.key === ".") return () => toggleFields();
  if (typing || chord) return null;
  return { "/": () => $("prompt").focus(), "?": () => $("help").showModal() }[event.key];
}
