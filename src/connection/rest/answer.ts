/** From the text of an answer to one result for each command. */
import type { PendingCommand } from "./pending.ts";
import { NotBase64 } from "./pending.ts";

/** What the server said to one command. */
export type Result = { readonly reply: unknown } | { readonly words: string };

/** What a whole answer is. */
export type Answer =
  | { readonly results: readonly Result[] }
  /** The request as a whole was refused with these words. */
  | { readonly words: string }
  /** Not Upstash's; says why. */
  | { readonly malformed: string };

function resultOf(item: unknown, pending: PendingCommand): Result | undefined {
  if (typeof item !== "object" || item === null) return undefined;
  const { result, error } = item as { result?: unknown; error?: unknown };
  if (typeof error === "string") return { words: error };
  return result === undefined ? undefined : { reply: pending.decode(result) };
}

/** Reads the body of an answer to `/pipeline`. */
export function parseAnswer(text: string, commands: readonly PendingCommand[]): Answer {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return { malformed: "no JSON" };
  }
  if (!Array.isArray(body)) {
    const { error } = (body ?? {}) as { error?: unknown };
    return typeof error === "string" ? { words: error } : { malformed: "no array of results" };
  }
  if (body.length !== commands.length) {
    return { malformed: `${body.length} results to ${commands.length} commands` };
  }
  try {
    const results = body.map((item, index) => resultOf(item, commands[index]!));
    return results.every((result) => result !== undefined)
      ? { results }
      : { malformed: "neither a result nor an error" };
  } catch (error) {
    if (!(error instanceof NotBase64)) throw error;
    return { malformed: `${error.message}: something between drops the header Upstash-Encoding` };
  }
}
