/** What stands for a session outside of the server: no one can make an id of it. */
import { createHash } from "node:crypto";

/** 128 bits of a hash; the id itself has as many, so that a handle says nothing of it. */
export function handleOf(sessionId: string): string {
  return createHash("sha256").update(`handle of ${sessionId}`).digest("base64url").slice(0, 22);
}
