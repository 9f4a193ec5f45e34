// Persistent values of this browser: the list of conversations, the settings, the API key. Messages are on the server.

const memory = new Map(); // the values that the browser has refused to store, until the page is closed

const kind = (value) => (Array.isArray(value) ? "array" : value === null ? "null" : typeof value);

// Returns the stored value of `name`, or `fallback` if there is none or its type is another than `fallback`'s.
export function load(name, fallback) {
  try {
    const stored = JSON.parse(memory.get(name) ?? localStorage.getItem(`hearth.${name}`));
    return kind(stored) === kind(fallback) ? stored : fallback;
  } catch {
    return fallback;
  }
}

export function save(name, value) {
  const text = JSON.stringify(value);
  try {
    localStorage.setItem(`hearth.${name}`, text);
    memory.delete(name);
  } catch {
    memory.set(name, text); // a private window, or the storage is full and keeps the value before
  }
}
