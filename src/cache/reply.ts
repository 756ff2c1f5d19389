/** Answers a request from a stored entry. */
import type { IncomingMessage, ServerResponse } from "node:http";
import fresh from "fresh";
import type { Entry } from "./entry.ts";
import { tokensOf } from "./storable.ts";

/** The name in Cache-Status (RFC 9211). */
const NAME = "express-redis-kit";

/** Says what the cache did with a request; fields of caches further on are kept. */
export function setCacheStatus(response: ServerResponse, status: string): void {
  if (response.headersSent) return;
  const others = tokensOf(response.getHeader("Cache-Status")).filter(
    (item) => !item.startsWith(NAME),
  );
  response.setHeader("Cache-Status", [...others, `${NAME}; ${status}`].join(", "));
}

/** A list-valued field is added to, since a middleware before the cache may have set it too. */
function writeField(response: ServerResponse, name: string, value: string | string[]): void {
  if (name !== "vary" && name !== "link") {
    response.setHeader(name, value);
    return;
  }
  const present = tokensOf(response.getHeader(name));
  const added = tokensOf(value).filter((token) => !present.includes(token));
  response.setHeader(name, [...present, ...added].join(", "));
}

/** Sends the entry, or 304 where the client has it (RFC 9110, section 13). */
export function reply(request: IncomingMessage, response: ServerResponse, entry: Entry): void {
  const now = Date.now();
  const { fields } = entry;
  const isNotModified =
    entry.status < 300 &&
    fresh(request.headers, { etag: fields["etag"], "last-modified": fields["last-modified"] });
  for (const [name, value] of Object.entries(fields)) {
    if (isNotModified && name.startsWith("content-") && name !== "content-location") continue;
    writeField(response, name, value);
  }
  response.setHeader("Age", Math.max(0, Math.floor((now - entry.storedAt) / 1000)));
  const ttl = Math.max(0, Math.floor((entry.expiresAt - now) / 1000));
  setCacheStatus(response, `hit; ttl=${ttl}`);
  response.statusCode = isNotModified ? 304 : entry.status;
  if (isNotModified) {
    response.end();
    return;
  }
  response.setHeader("Content-Length", entry.body.length);
  response.end(request.method === "HEAD" ? undefined : entry.body);
}
