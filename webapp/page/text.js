// Shows message text as DOM elements, never as HTML. Renders fenced code, inline code and bold; all other text is unchanged.

const FENCE = /^```([^\n`]*)\n([\s\S]*?)(?:^```[^\S\n]*(?:\n|$)|$(?![\s\S]))/gm;
const SPAN = /`([^`\n]+)`|\*\*([^*\n]+)\*\*/g;

export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

export function show(target, text) {
  target.replaceChildren();
  let end = 0;
  for (const found of text.matchAll(FENCE)) {
    spans(target, text.slice(end, found.index).replace(/\n+$/, "")); // the CSS puts space around a code block
    target.append(element("pre", { title: found[1].trim() }, element("code", {}, found[2])));
    end = found.index + found[0].length;
    if (text[end] === "\n") end += 1;
  }
  spans(target, text.slice(end));
}

function spans(target, text) {
  let end = 0;
  for (const found of text.matchAll(SPAN)) {
    target.append(text.slice(end, found.index));
    target.append(found[1] ? element("code", {}, found[1]) : element("strong", {}, found[2]));
    end = found.index + found[0].length;
  }
  target.append(text.slice(end));
}
