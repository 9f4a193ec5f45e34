// The choice between the served model and its adapters. Where there are no adapters, nothing is offered.

import { element } from "../shared/element.js";
import { load, save } from "../shared/store.js";
import { t } from "../shared/words.js";

const $ = (id) => document.getElementById(id);

// Shows the `models` of /v1/models. `chosen` is called with the name to ask for, now and when the reader chooses another. The choice
// is kept in this browser; one that is not served any more is forgotten.
export function offerAdapters(models, chosen) {
  const [{ id: base }] = models, adapters = models.filter((model) => model.parent);
  const kept = load("adapter", ""), name = adapters.some(({ id }) => id === kept) ? kept : base;
  const select = element("select", { id: "adapter" }, ...[base, ...adapters.map(({ id }) => id)].map((value) => element("option", { value }, value)));
  select.setAttribute("aria-label", t`Model or adapter`);
  select.value = name;
  select.addEventListener("change", () => {
    save("adapter", select.value === base ? "" : select.value);
    chosen(select.value);
  });
  $("model").replaceChildren(adapters.length ? select : base);
  chosen(name);
}
