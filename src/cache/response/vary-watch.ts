/** Whether what comes after the cache speaks of Vary: then it may mean what stood there before. */
import type { OutgoingHttpHeaders, ServerResponse } from "node:http";

type Call = (...args: unknown[]) => unknown;

/**
 * Watches a response whose Vary is set already.
 *
 * @param complete answers its fields once the handler's are complete: middlewares before the cache add
 * theirs at that moment
 */
export function watchVary(
  response: ServerResponse,
  complete: () => OutgoingHttpHeaders | undefined,
): () => boolean {
  const before = response.getHeader("Vary");
  if (before === undefined) return () => false;
  const calls = response as unknown as Record<string, Call>;
  let isSaid = false;
  for (const name of ["setHeader", "appendHeader", "removeHeader"]) {
    const original = calls[name]!;
    calls[name] = (field, ...values) => {
      isSaid ||= complete() === undefined && String(field).toLowerCase() === "vary";
      return original.call(response, field, ...values);
    };
  }
  return () => isSaid || String(complete()?.["vary"] ?? before) !== String(before);
}
