// The conversations that this browser knows of, by id. Versions of one conversation have the same `root`.

import { load, save } from "./store.js";

export const newId = () => `page-${Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;

export class Shelf {
  get all() {
    return load("conversations", []);
  }

  // One a root: the version that was used last.
  get latest() {
    const roots = new Map();
    for (const entry of this.all.sort((one, other) => one.updated - other.updated)) roots.set(entry.root, entry);
    return [...roots.values()].reverse();
  }

  find(id) {
    return this.all.find((entry) => entry.id === id);
  }

  versions(root) {
    return this.all.filter((entry) => entry.root === root).sort((one, other) => one.created - other.created);
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
