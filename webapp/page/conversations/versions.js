// Where the versions of a conversation differ. Each knows which version it was made `from`, and `at` which message: those before
// are the same in both.

const index = (value) => (Number.isInteger(value) && value > 0 ? value : 0);

// The versions from which `entry` was made, itself first, with the number of messages that it has in common with each.
function line(entry, known) {
  const found = new Map();
  let common = Infinity;
  for (let each = entry; each && !found.has(each.id); each = known.get(each.from)) {
    found.set(each.id, common);
    common = Math.min(common, index(each.at));
  }
  return found;
}

// The index of the first message in which two versions differ; they are given as lines. 0: nothing is known of them.
function difference(one, other) {
  for (const [id, common] of one) if (other.has(id)) return Math.min(common, other.get(id));
  return 0;
}

const MAX_VERSIONS = 100; // the last ones used; of each two it is found out where they differ

// Returns, for each message at which there are several versions, their ids in the order in which they were made, that of each the
// one last used, and `here`, the place of `open` among them. `versions`: the entries of the others.
export function versionsAt(versions, open) {
  const all = [open, ...versions.filter(({ id }) => id !== open.id).sort((a, b) => b.updated - a.updated).slice(0, MAX_VERSIONS - 1)];
  const known = new Map(all.map((entry) => [entry.id, entry]));
  const lines = new Map(all.map((entry) => [entry.id, line(entry, known)]));
  const differs = (one, other) => (one === other ? Infinity : difference(lines.get(one.id), lines.get(other.id)));
  const found = new Map();
  for (const at of new Set(all.filter((entry) => entry !== open).map((entry) => differs(open, entry)))) {
    const groups = [[open]]; // those that are the same up to and with this message
    for (const entry of all) {
      if (entry === open || differs(open, entry) < at) continue;
      const group = groups.find(([first]) => differs(first, entry) > at);
      if (group) group.push(entry);
      else groups.push([entry]);
    }
    groups.sort((a, b) => made(a) - made(b));
    const ids = groups.map((group) => (group.includes(open) ? open : group.reduce((a, b) => (b.updated > a.updated ? b : a))).id);
    found.set(at, { ids, here: ids.indexOf(open.id) });
  }
  return found;
}

const made = (group) => Math.min(...group.map((entry) => Number(entry.created) || 0));
