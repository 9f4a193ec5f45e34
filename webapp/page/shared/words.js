// Translations of the pages. The pages and scripts contain the English texts; zh.json maps each of them to Chinese.

import { load, save } from "./store.js";

const CHINESE = "zh", ENGLISH = "en";
const ATTRIBUTES = ["title", "placeholder", "aria-label"];
const preferred = navigator.language.startsWith(CHINESE) ? CHINESE : ENGLISH;
const language = load("language", preferred) === CHINESE ? CHINESE : ENGLISH;
const translations = new Map(Object.entries(language === CHINESE ? await fetchChinese() : {}));

async function fetchChinese() {
  try {
    return await (await fetch(new URL("../zh.json", import.meta.url), { signal: AbortSignal.timeout(5000) })).json();
  } catch {
    return {}; // the page stays English rather than not working at all
  }
}

// Translates a template literal, or a text from the server. zh.json writes a template's values as {0}, {1}, ...
export function t(text, ...values) {
  const english = typeof text === "string" ? text : text.reduce((joined, part, index) => `${joined}{${index - 1}}${part}`);
  return (translations.get(english) ?? english).replace(/\{(\d)\}/g, (_, index) => values[index]);
}

// Translates the page's HTML, and sets up the button that switches the language. Until then what needs a script is inert: a
// click or a key before it runs would be lost.
export function translate() {
  for (const part of document.querySelectorAll("[inert]")) part.inert = false;
  document.documentElement.lang = language;
  if (language === CHINESE) inChinese();
  document.getElementById("language").addEventListener("click", () => {
    save("language", language === CHINESE ? ENGLISH : CHINESE);
    location.reload();
  });
}

function inChinese() {
  const texts = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const english = texts.currentNode.data.trim();
    texts.currentNode.data = texts.currentNode.data.replace(english, t(english));
  }
  for (const name of ATTRIBUTES) {
    for (const node of document.querySelectorAll(`[${name}]`)) node.setAttribute(name, t(node.getAttribute(name)));
  }
}
