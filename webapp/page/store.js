// Persistent values of this browser: the list of conversations, the settings, the API key. Messages are on the server.

const memory = new Map(); // used if the browser does not store anything

const kind = (value) => (Array.isArray(value) ? "array" : value === null ? "null" : typeof value);

// Returns the stored value of `name`, or `fallback` if there is none or its type is another than `fallback`'s.
export function load(name, fallback) {
  try {
    const stored = JSON.parse(localStorage.getItem(`hearth.${name}`) ?? memory.get(name));
    return kind(stored) === kind(fallback) ? stored : fallback;
  } catch {
    return fallback;
  }
}

export function save(name, value) {
  const text = JSON.stringify(value);
  memory.set(name, text);
  try {
    localStorage.setItem(`hearth.${name}`, text);
  } catch {
    // a private window, or the storage is full: the value is kept in memory until the page is closed
  }
}
