// Persistent values of this browser: the list of conversations, the settings, the API key, and
// what the server does not have: drafts and turns that are not answered. Other messages are on the server.

const PREFIX = "hearth.";
const memory = new Map(); // the values that the browser has refused to store, until the page is closed

const kind = (value) => (Array.isArray(value) ? "array" : value === null ? "null" : typeof value);

// Returns the stored value of `name`, or `fallback` if there is none or its type is another than `fallback`'s.
export function load(name, fallback) {
  try {
    const stored = JSON.parse(memory.get(name) ?? localStorage.getItem(PREFIX + name));
    return kind(stored) === kind(fallback) ? stored : fallback;
  } catch {
    return fallback;
  }
}

// Returns whether the browser has stored it: else it is kept until the page is closed.
export function save(name, value) {
  const text = JSON.stringify(value);
  try {
    localStorage.setItem(PREFIX + name, text);
    memory.delete(name);
    return true;
  } catch {
    memory.set(name, text); // a private window, or the storage is full and keeps the value before
    return false;
  }
}

// Keeps it until the page is closed, and no longer.
export function keepAside(name, value) {
  memory.set(name, JSON.stringify(value));
}

// Returns whether the browser has what was saved last: it is not kept aside.
export const isStored = (name) => !memory.has(name);

export function remove(name) {
  memory.delete(name);
  try {
    localStorage.removeItem(PREFIX + name);
  } catch {
    // nothing was stored
  }
}

// Returns the names that begin with `start`, without it.
export function namesFrom(start) {
  let stored = [];
  try {
    stored = Object.keys(localStorage).map((name) => name.slice(PREFIX.length));
  } catch {
    // nothing was stored
  }
  return [...new Set([...stored, ...memory.keys()])].filter((name) => name.startsWith(start)).map((name) => name.slice(start.length));
}

// Calls `changed` with each name whose value another tab has changed; null: all of them.
export function onOtherTab(changed) {
  addEventListener("storage", ({ key }) => {
    if (key === null || key.startsWith(PREFIX)) changed(key && key.slice(PREFIX.length));
  });
}
