// What the server says of an error, in the reader's language. The server speaks English.

const WORDS = new URL("errors-zh.json", import.meta.url);
const LONGEST = 2000; // characters of a message that are looked at
let words = null; // loaded with the first error that a Chinese reader sees

// Returns `message` in the reader's language. One that is not known is introduced in it, by what the `status` means.
export async function inWords(status, message) {
  if (document.documentElement.lang !== "zh") return message;
  try {
    words ??= prepared(await (await fetch(WORDS, { signal: AbortSignal.timeout(5000) })).json());
  } catch {
    return message;
  }
  return translated(message) ?? fill(words.texts[status >= 500 ? "5xx" : "4xx"], [message]);
}

function prepared(texts) {
  const patterns = Object.keys(texts).filter((english) => /\{\d\}/.test(english)).sort((one, other) => other.length - one.length);
  return { texts, patterns: patterns.map((english) => [patternOf(english), texts[english]]) };
}

function patternOf(english) {
  const source = english.split(/\{\d\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("(.+?)");
  return new RegExp(`^${source}$`, "s");
}

// The values in a message may be messages of their own: those that are known are translated, too. Returns null for an unknown one.
function translated(message) {
  if (Object.hasOwn(words.texts, message)) return words.texts[message];
  if (message.length > LONGEST) return null;
  for (const [pattern, text] of words.patterns) {
    const found = message.match(pattern);
    if (found) return fill(text, found.slice(1).map((value) => translated(value) ?? value));
  }
  return null;
}

const fill = (text, values) => text.replace(/\{(\d)\}/g, (_, index) => values[index]);
