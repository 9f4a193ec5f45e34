// The settings that differ from the defaults, next to the message box: each can be reset there.

import { element } from "../shared/element.js";
import { t } from "../shared/words.js";

const MAX_SHOWN = 8, MAX_VALUE = 24; // characters
const $ = (id) => document.getElementById(id);

export function showChanged(fields) {
  const draw = () => {
    const changed = Object.entries(fields.values);
    $("changed").hidden = !changed.length;
    $("changed").replaceChildren(...changed.slice(0, MAX_SHOWN).map(([name, value]) => chip(name, value, () => fields.reset(name))));
    if (changed.length > MAX_SHOWN) $("changed").append(element("li", {}, t`and ${changed.length - MAX_SHOWN} more`));
  };
  fields.addEventListener("change", draw);
  draw();
}

function chip(name, value, reset) {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const shown = text.length > MAX_VALUE ? `${[...text.slice(0, MAX_VALUE)].slice(0, -1).join("")}…` : text;
  const button = element("button", { type: "button", title: t`Reset ${name}` }, name, " ", element("bdi", {}, shown), " ×");
  button.setAttribute("aria-label", t`Reset ${name}: ${shown}`);
  button.addEventListener("click", () => {
    reset();
    ($("changed").querySelector("button") ?? $("prompt")).focus();
  });
  return element("li", {}, button);
}
