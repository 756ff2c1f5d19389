/** Whether a client has what is stored: RFC 9110, section 13, as a cache evaluates it (RFC 9111, section 4.3.2). */
import type { IncomingHttpHeaders } from "node:http";
import { parseDate } from "./date.ts";

/** An entity-tag of a list; what is between its quotes may be a comma. */
const LISTED = /[\s,]*((?:W\/)?"[^"]*")\s*(?:,|$)/y;

function opaque(tag: string): string {
  return tag.replace(/^W\//, "");
}

/** Whether the answer to this request is 304. */
export function isNotModified(
  request: IncomingHttpHeaders,
  stored: Readonly<Record<string, string | string[] | undefined>>,
): boolean {
  const tags = request["if-none-match"];
  // Section 13.2.2: where both are there, If-None-Match decides.
  if (tags !== undefined) return isListed(tags, stored["etag"]);
  const since = parseDate(request["if-modified-since"]);
  if (since === undefined) return false;
  const modified = parseDate(stored["last-modified"]) ?? parseDate(stored["date"]);
  return modified !== undefined && modified <= since;
}

/** Section 13.1.2: by weak comparison. */
function isListed(tags: string, etag: string | string[] | undefined): boolean {
  if (tags.trim() === "*") return true;
  if (typeof etag !== "string") return false;
  LISTED.lastIndex = 0;
  for (let found = LISTED.exec(tags); found !== null; found = LISTED.exec(tags)) {
    if (opaque(found[1]!) === opaque(etag)) return true;
  }
  return false;
}
