// Copies text, and says on the button whether that succeeded.

import { t } from "./words.js";

export async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Browsers offer the clipboard API only on https and localhost; this works elsewhere too.
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

// Shows on the button whether the copy succeeded, for a moment.
export async function confirmCopy(button, promise) {
  const label = button.textContent;
  button.textContent = await promise.then(() => t`Copied`, () => t`Clipboard access denied`);
  setTimeout(() => (button.textContent = label), 1500);
}
