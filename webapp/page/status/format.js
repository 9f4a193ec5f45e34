// How values are shown.

import { element } from "../shared/element.js";

// Returns a number of seconds in words.
export function duration(value) {
  const parts = [[Math.floor(value / 86400), "d"], [Math.floor(value / 3600) % 24, "h"], [Math.floor(value / 60) % 60, "min"], [Math.floor(value) % 60, "s"]];
  const first = parts.findIndex(([count]) => count);
  return first < 0 ? "0 s" : parts.slice(first, first + 2).map(([count, unit]) => `${count} ${unit}`).join(" ");
}

// Returns a row of a table.
export function row(...cells) {
  return element("tr", {}, ...cells.map((cell) => element("td", {}, cell instanceof Node ? cell : String(cell))));
}
