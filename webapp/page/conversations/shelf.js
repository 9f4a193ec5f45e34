// The list of conversations kept in this browser. Versions of the same conversation have the same `root`.

import { now } from "../shared/clock.js";
import { load, save } from "../shared/store.js";

export const newId = () => `page-${Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;

export class Shelf {
  get all() {
    return load("conversations", []);
  }

  // The most recently used version of each root, newest first, those that are pinned before the others. A conversation has the
  // title that the reader gave it, else its first question.
  get latest() {
    const roots = new Map(), names = load("names", {}), pinned = new Set(load("pinned", []));
    for (const entry of this.all.sort((a, b) => a.updated - b.updated)) {
      roots.set(entry.root, { ...entry, title: String(names[entry.root] || entry.title), pinned: pinned.has(entry.root) });
    }
    const newest = [...roots.values()].reverse();
    return [...newest.filter((entry) => entry.pinned), ...newest.filter((entry) => !entry.pinned)];
  }

  // The time of what happens now: later than that of any entry, also of one from when this browser's clock went ahead.
  get now() {
    return this.all.reduce((latest, { created, updated }) => Math.max(latest, 1 + (Number(created) || 0), 1 + (Number(updated) || 0)), now());
  }

  find(id) {
    return this.all.find((entry) => entry.id === id);
  }

  versions(root) {
    return this.all.filter((entry) => entry.root === root).sort((a, b) => a.created - b.created);
  }

  // `from` and `at` are those of a version, `cut` and `failed` of its last answer: see talk.js. One that failed is not stored.
  put({ id, root, title, from, at, cut, failed }) {
    const before = this.find(id);
    const entry = { id, root, title, from, at, cut: cut && !failed, created: before?.created ?? this.now, updated: this.now };
    save("conversations", [...this.all.filter((other) => other.id !== id), entry]);
  }

  // Gives a conversation a title of the reader's; "" gives it its first question back.
  rename(root, name) {
    save("names", { ...load("names", {}), [root]: name || undefined });
  }

  pin(root, on) {
    const others = load("pinned", []).filter((other) => other !== root);
    save("pinned", on ? [...others, root] : others);
  }

  remove(id) {
    const root = this.find(id)?.root;
    save("conversations", this.all.filter((entry) => entry.id !== id));
    if (this.versions(root).length) return;
    this.rename(root, "");
    this.pin(root, false);
  }
}
