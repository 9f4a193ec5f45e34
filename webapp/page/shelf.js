// The list of conversations kept in this browser. Versions of the same conversation have the same `root`.

import { load, save } from "./store.js";

export const newId = () => `page-${Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;

export class Shelf {
  get all() {
    return load("conversations", []);
  }

  // The most recently used version of each root, newest first.
  get latest() {
    const roots = new Map();
    for (const entry of this.all.sort((a, b) => a.updated - b.updated)) roots.set(entry.root, entry);
    return [...roots.values()].reverse();
  }

  find(id) {
    return this.all.find((entry) => entry.id === id);
  }

  versions(root) {
    return this.all.filter((entry) => entry.root === root).sort((a, b) => a.created - b.created);
  }

  put({ id, root, title }) {
    const before = this.find(id);
    const entry = { id, root, title, created: before?.created ?? Date.now(), updated: Date.now() };
    save("conversations", [...this.all.filter((other) => other.id !== id), entry]);
  }

  remove(ids) {
    save("conversations", this.all.filter((entry) => !ids.includes(entry.id)));
  }
}
