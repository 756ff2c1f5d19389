/** Which responses a limiter has refused with: such a request counts for nothing else, and extends nothing. */
import type { ServerResponse } from "node:http";

const refused = new WeakSet<ServerResponse>();

/** Notes that a limiter refused with this response. */
export function markRefused(response: ServerResponse): void {
  refused.add(response);
}

/** Takes that back: the request goes on all the same. */
export function unmarkRefused(response: ServerResponse): void {
  refused.delete(response);
}

/** Whether a limiter refused with this response. */
export function isRefused(response: ServerResponse): boolean {
  return refused.has(response);
}
