/** A server that answers a command with an error, where its words may repeat what it was sent. */
import { KitError } from "../errors.ts";
import type { Part } from "./channel.ts";
import { commandFailed } from "./diagnosis.ts";

/** Where a server's words go on with what it was sent. */
const QUOTES = /,? (with args beginning with|command was|key was)\b.*$/is;
/** Shorter parts of a command, such as a count, are no secret, and occur by chance. */
const SHORTEST_SECRET = 4;
const LONGEST_WORDS = 300;
/** A plan's limits, which Upstash checks before it runs anything. */
const LIMIT = /^ERR (max |DB capacity)/i;

/** A server's words without anything that it was sent. The code in front of them stays as it is. */
export function withoutArguments(words: string, parts: Iterable<Part>): string {
  const [, code = "", text = ""] = /^([A-Z]+\b)?(.*)$/s.exec(words.replace(QUOTES, ""))!;
  let rest = text.slice(0, LONGEST_WORDS);
  for (const part of parts) {
    const sent = String(part);
    if (sent.length >= SHORTEST_SECRET) rest = rest.replaceAll(sent, "…");
  }
  return code + rest;
}

/** The server answered a command with an error. `words` are those of {@link withoutArguments}. */
export function refused(what: string, words: string): KitError {
  const cause = new Error(words);
  if (!LIMIT.test(words)) return commandFailed(what, cause);
  return new KitError("REDIS_COMMAND_FAILED", {
    message: `Upstash refused ${what}: ${words.slice(0, 200)}.`,
    fix: "The database's plan sets this limit: change it in the Upstash console.",
    status: 503,
    retryAfter: 1,
    cause,
    outcome: "notSent",
  });
}
