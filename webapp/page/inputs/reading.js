// Reads a file as text: UTF-8, UTF-16 or GB18030, which is how files in Chinese are often written.

import { t } from "../shared/words.js";

const MOST = 4_000_000; // bytes, whatever the context
const BYTES = 8; // most of them for each token of the context: no text that fits has more
const UNUSUAL = /[\0-\x08\x0e-\x1a\x1c-\x1f\x7f\ufffe\uffff]/; // characters that no text has
const CHINESE = /[\p{Script=Han}\u3000-\u303f\uff00-\uffef\u2010-\u2026\u00b7]/u;

// Returns the text of `file` and the name of its encoding. `context`: the model's, in tokens, or 0. Throws an Error that says in
// words why the file cannot be attached; a file that is too large is not read.
export async function readText(file, context) {
  const limit = context ? Math.min(MOST, context * BYTES) : MOST;
  if (file.size > limit) throw new Error(t`${file.name} is too large: ${size(file.size)}, and there is room for ${size(limit)}.`);
  let bytes;
  try {
    bytes = new Uint8Array(await file.arrayBuffer());
  } catch {
    throw new Error(t`${file.name} cannot be read.`); // a folder, or it has changed or gone since
  }
  if (!bytes.length) throw new Error(t`${file.name} is empty.`);
  const found = decode(bytes);
  if (!found) throw new Error(t`${file.name} is no text file: only text can be attached.`);
  return { ...found, text: found.text.replaceAll("\r\n", "\n") };
}

export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(0)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

function decode(bytes) {
  for (const encoding of candidates(bytes)) {
    try {
      const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
      if (!UNUSUAL.test(text) && (encoding !== "gb18030" || isChinese(text))) return { text, encoding: encoding.toUpperCase() };
    } catch {
      // it is not in this encoding
    }
  }
  return null;
}

// A text without a mark at its beginning is taken for UTF-16 where half of its first bytes are zero, as those of Latin letters are.
function candidates(bytes) {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return ["utf-16le"];
  if (first === 0xfe && second === 0xff) return ["utf-16be"];
  const start = bytes.subarray(0, 1000), zeros = [0, 0];
  start.forEach((byte, at) => (zeros[at % 2] += byte ? 0 : 1));
  const many = start.length / 8;
  if (zeros[1] > many && zeros[0] === 0) return ["utf-16le"];
  if (zeros[0] > many && zeros[1] === 0) return ["utf-16be"];
  return ["utf-8", "gb18030"];
}

// Almost any bytes are GB18030: what is not mostly Chinese is another encoding, or none.
function isChinese(text) {
  const others = [...text.slice(0, 20_000)].filter((character) => character > "\x7f");
  return others.filter((character) => CHINESE.test(character)).length >= others.length * 0.9;
}
