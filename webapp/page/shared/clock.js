// The server's clock. This browser's may be hours or days apart from it; how much is seen from the `Date` of each answer.

const NEAR = 5000; // milliseconds: less is the way to the server, and that `Date` has whole seconds
let ahead = 0; // milliseconds that the server's clock is ahead

// Takes note of the time at which the server has sent `response`, and returns it.
export function timed(response) {
  const apart = Date.parse(response.headers.get("Date")) - Date.now();
  if (Number.isFinite(apart)) ahead = Math.abs(apart) < NEAR ? 0 : apart;
  return response;
}

// Returns the server's time in milliseconds; this browser's before the first answer.
export const now = () => Date.now() + ahead;
