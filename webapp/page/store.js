// What this browser keeps: the list of conversations, the settings, the key. Their contents are the server's.

const memory = new Map(); // where the browser keeps nothing

const kind = (value) => (Array.isArray(value) ? "array" : value === null ? "null" : typeof value);

// What was kept, where it is of the kind of `otherwise`.
export function load(name, otherwise) {
  try {
    const kept = JSON.parse(localStorage.getItem(`hearth.${name}`) ?? memory.get(name));
    return kind(kept) === kind(otherwise) ? kept : otherwise;
  } catch {
    return otherwise;
  }
}

export function save(name, value) {
  const text = JSON.stringify(value);
  memory.set(name, text);
  try {
    localStorage.setItem(`hearth.${name}`, text);
  } catch {
    // private windows, or full: it is kept until the page is closed
  }
}
