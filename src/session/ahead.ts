/** Asks for a session before its request has come to `session()`. */
import type { Keys } from "../keys.ts";
import type { Early } from "../prefetch/prefetch.ts";
import type { AskedSession, Ledger } from "./ledger.ts";

/** The question, and what it reads; that it may fail is for who uses it to see. */
export function askAhead(keys: Keys, ledger: Ledger, id: string): AskedSession & Early {
  const asked = ledger.ask(id);
  asked.text.catch(() => {});
  const read = [keys.session(id)];
  if (asked.guess !== undefined) read.push(keys.userSessions(asked.guess));
  return { ...asked, keys: read };
}
