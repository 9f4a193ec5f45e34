// What this browser keeps: the list of conversations, the settings, the key. Their contents are the server's.

const memory = new Map(); // where the browser keeps nothing

export function load(name, otherwise) {
  try {
    const kept = localStorage.getItem(`hearth.${name}`) ?? memory.get(name);
    return kept == null ? otherwise : JSON.parse(kept);
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
