// Tells a screen reader about answers: that one is being written, and its text once it is complete. The transcript itself is silent,
// because a text that grows would be read out again and again.

import { t } from "../shared/words.js";

const LONGEST = 1500; // characters read out; the whole answer is in the transcript

// `transcript` is watched, and `said` is the live region.
export function announce(transcript, said) {
  const isWriting = (classes) => /\bwaiting\b/.test(classes ?? "");
  new MutationObserver((changes) => {
    for (const { target, oldValue } of changes) {
      if (isWriting(target.className) === isWriting(oldValue)) continue;
      if (isWriting(target.className)) said.textContent = t`Hearth is writing an answer.`;
      else if (target.isConnected) said.textContent = shortened(target.textContent);
    }
  }).observe(transcript, { subtree: true, attributeFilter: ["class"], attributeOldValue: true });
}

const shortened = (text) => (text.length > LONGEST ? `${text.slice(0, LONGEST)} …` : text);
