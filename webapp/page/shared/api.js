// Requests to the server's public API.

import { timed } from "./clock.js";
import { inWords } from "./errors.js";
import { load, save } from "./store.js";
import { t } from "./words.js";

export class ApiError extends Error {
  // `status` is the HTTP status, or 0 if the server cannot be reached; `code` is the API's error code, or null.
  constructor(status, message, code = null) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export const key = () => load("key", "");
export const keepKey = (value) => save("key", value);

// Sends a request and returns the response. Throws an ApiError if the server refuses it or cannot be reached.
export async function ask(path, { body, method = body ? "POST" : "GET", signal, keepalive, headers: more } = {}) {
  const headers = { ...more };
  if (body) headers["Content-Type"] = "application/json";
  if (/[^\x21-\x7e]/.test(key())) throw new ApiError(401, t`The API key contains characters that are not allowed.`);
  if (key() && !headers.Authorization) headers.Authorization = `Bearer ${key()}`;
  let response;
  try {
    response = timed(await fetch(path, { method, headers, signal, keepalive, body: body && JSON.stringify(body), cache: "no-store" }));
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, t`The server cannot be reached.`);
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

export const json = async (path, options) => (await ask(path, options)).json();

async function refusal(response) {
  try {
    const { error } = await response.json();
    return new ApiError(response.status, await inWords(response.status, error.message), error.code);
  } catch {
    return new ApiError(response.status, t`The server returned ${response.status}.`);
  }
}
