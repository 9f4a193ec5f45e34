// Small SVG plots: a line over time, and a histogram.

import { element } from "../shared/element.js";
import { t } from "../shared/words.js";

const WIDTH = 300, HEIGHT = 60;
const NS = "http://www.w3.org/2000/svg";

function svg(label, ...shapes) {
  const drawing = document.createElementNS(NS, "svg");
  drawing.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  drawing.setAttribute("preserveAspectRatio", "none");
  drawing.setAttribute("role", "img");
  drawing.setAttribute("aria-label", label);
  for (const [name, attributes] of shapes) {
    const shape = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value);
    drawing.append(shape);
  }
  return drawing;
}

function figure(title, value, drawing, note = "") {
  const caption = element("figcaption", {}, title, element("b", {}, value));
  return element("figure", { title: note }, caption, drawing);
}

// A line plot of `values`, the newest last. `room`: the number of values that fill the width; `least`: the lowest maximum
// of the y axis.
export function line(title, value, values, room, least = 1) {
  const top = Math.max(least, ...values);
  const x = (index) => ((index + room - values.length) / (room - 1)) * WIDTH;
  const points = values.map((item, index) => `${x(index).toFixed(1)},${(HEIGHT - 2 - (item / top) * (HEIGHT - 6)).toFixed(1)}`);
  if (!points.length) return figure(title, value, svg(title));
  const area = `${x(0)},${HEIGHT} ${points.join(" ")} ${WIDTH},${HEIGHT}`;
  return figure(title, value, svg(`${title}: ${value}`, ["polygon", { class: "under", points: area }], ["polyline", { class: "line", points: points.join(" ") }]));
}

// A histogram with one bar per bucket, from the first to the last non-empty one. `seconds` formats a bucket's bound.
export function bars(title, value, { bounds, counts }, seconds) {
  const used = counts.map((count, index) => (count ? index : -1)).filter((index) => index >= 0);
  const from = Math.max(0, (used[0] ?? 0) - 1), to = Math.min(counts.length, (used.at(-1) ?? 4) + 2);
  const top = Math.max(1, ...counts), width = WIDTH / (to - from);
  const shapes = counts.slice(from, to).map((count, index) => {
    const height = (count / top) * (HEIGHT - 4);
    return ["rect", { class: "bar", x: index * width + 1, y: HEIGHT - height, width: width - 2, height }];
  });
  const note = counts.slice(from, to).map((count, index) => `${bounds[from + index] === undefined ? t`more` : `≤ ${seconds(bounds[from + index])}`}: ${count}`);
  return figure(title, value, svg(`${title}: ${value}`, ...shapes), note.join("\n"));
}
