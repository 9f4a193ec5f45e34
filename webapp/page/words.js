// The pages' words in their reader's language. English stands in the pages and scripts, Chinese in zh.json by the English.

import { load, save } from "./store.js";

const CHINESE = "zh", ENGLISH = "en";
const SHOWN = ["title", "placeholder", "aria-label"];
const preferred = navigator.language.startsWith(CHINESE) ? CHINESE : ENGLISH;
const language = load("language", preferred) === CHINESE ? CHINESE : ENGLISH;
const words = new Map(Object.entries(language === CHINESE ? await told() : {}));

async function told() {
  try {
    return await (await fetch("/page/zh.json", { signal: AbortSignal.timeout(5000) })).json();
  } catch {
    return {}; // English is better than no page
  }
}

// A template, or a text that comes from the server. A template's values are {0}, {1} in other languages.
export function t(text, ...values) {
  const english = typeof text === "string" ? text : text.reduce((whole, part, index) => `${whole}{${index - 1}}${part}`);
  return (words.get(english) ?? english).replace(/\{(\d)\}/g, (_, index) => values[index]);
}

// What stands in the page itself, and the button for the other language.
export function translate() {
  document.documentElement.lang = language;
  const texts = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const english = texts.currentNode.data.trim();
    texts.currentNode.data = texts.currentNode.data.replace(english, t(english));
  }
  for (const name of SHOWN) {
    for (const one of document.querySelectorAll(`[${name}]`)) one.setAttribute(name, t(one.getAttribute(name)));
  }
  document.getElementById("language").addEventListener("click", () => {
    save("language", language === CHINESE ? ENGLISH : CHINESE);
    location.reload();
  });
}
