// Settings with a name, kept in this browser: to be saved, chosen and deleted.

import { element } from "../shared/element.js";
import { load, save } from "../shared/store.js";
import { t } from "../shared/words.js";

const MAX_PRESETS = 50, MAX_NAME = 40; // characters

// Returns the kept presets: for each name, the values of the fields that it changes.
export function presets() {
  const kept = Object.entries(load("presets", {})).slice(0, MAX_PRESETS);
  const isPreset = ([, values]) => values !== null && typeof values === "object" && !Array.isArray(values);
  return new Map(kept.filter(isPreset).map(([name, values]) => [name.slice(0, MAX_NAME), values]));
}

const keep = (all) => save("presets", Object.fromEntries(all));

// Returns the controls: a list to choose from, and buttons to save the settings as a preset and to delete the chosen one.
export function presetControls(fields) {
  const choice = element("select"), name = element("input", { maxLength: MAX_NAME, dir: "auto", required: true });
  const add = element("button", { type: "button" }, t`Save as …`), remove = element("button", { type: "button" }, t`Delete`);
  const form = element("form", { hidden: true }, name, element("button", {}, t`Save`));
  const note = element("small", { role: "status" });
  choice.setAttribute("aria-label", t`Preset`);
  name.setAttribute("aria-label", t`Name of the preset`);
  remove.setAttribute("aria-label", t`Delete the preset`);

  // Shows the preset that has the values of the fields, if there is one.
  const draw = () => {
    const all = presets(), now = textOf(fields.values);
    const same = [...all].find(([, values]) => textOf(values) === now)?.[0] ?? "";
    choice.replaceChildren(element("option", { value: "" }, all.size ? t`Choose a preset` : t`No presets yet`));
    for (const each of all.keys()) choice.append(element("option", { value: each }, each));
    choice.value = same;
    remove.disabled = !same;
  };
  choice.addEventListener("change", () => {
    const values = presets().get(choice.value);
    if (values) fields.take(values);
  });
  add.addEventListener("click", () => {
    form.hidden = false;
    note.textContent = "";
    name.value = choice.value;
    name.select();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const all = presets(), given = name.value.trim();
    if (!given) return;
    const room = all.has(given) || all.size < MAX_PRESETS;
    if (room) keep(all.set(given, fields.values));
    note.textContent = room ? "" : t`There are ${MAX_PRESETS} presets: delete one first.`;
    form.hidden = room;
    draw();
    if (room) choice.focus();
  });
  remove.addEventListener("click", () => {
    const all = presets();
    all.delete(choice.value);
    keep(all);
    draw();
    choice.focus();
  });
  fields.addEventListener("change", draw);
  addEventListener("storage", draw);
  draw();
  return element("div", { className: "presets" }, choice, add, remove, form, note);
}

const textOf = (values) => JSON.stringify(Object.entries(values).sort(([one], [other]) => (one < other ? -1 : 1)));
