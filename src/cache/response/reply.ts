/** Answers a request from a stored entry. */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { isNotModified } from "../http/conditional.ts";
import type { Entry } from "../store/entry.ts";
import { tokensOf } from "../http/tokens.ts";

/** The name in Cache-Status (RFC 9211). */
const NAME = "express-redis-kit";

/** Says what the cache did with a request; fields of caches further on are kept. */
export function setCacheStatus(response: ServerResponse, status: string): void {
  if (response.headersSent) return;
  const present = response.getHeader("Cache-Status");
  if (present === undefined) {
    response.setHeader("Cache-Status", `${NAME}; ${status}`);
    return;
  }
  const others = tokensOf(present).filter((item) => item.split(";", 1)[0]!.trim() !== NAME);
  response.setHeader("Cache-Status", [...others, `${NAME}; ${status}`].join(", "));
}

/** A list-valued field is added to, since a middleware before the cache may have set it too. */
function writeField(response: ServerResponse, name: string, value: string | string[]): void {
  const present = name === "vary" || name === "link" ? tokensOf(response.getHeader(name)) : [];
  if (present.length === 0) {
    response.setHeader(name, value);
    return;
  }
  const added = tokensOf(value).filter((token) => !present.includes(token));
  response.setHeader(name, [...present, ...added].join(", "));
}

/** Gives a response the fields back that it had, and the length of another body. */
export function resetHeader(
  response: ServerResponse,
  fields: OutgoingHttpHeaders,
  { length }: Buffer,
): void {
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  response.statusMessage = "";
  // Node counts no body of a response whose length was taken off.
  response.setHeader("Content-Length", length);
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) response.setHeader(name, value);
  }
}

/** Answers with a status alone. */
export function failWith(response: ServerResponse, status: number): void {
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  Object.assign(response, { statusCode: status, statusMessage: "" });
  response.end();
}

/** `hit` and how long the entry is fresh yet; negative once it is stale (RFC 9211, section 2.1). */
export function hitStatus(ttl: number): string {
  return `hit; ttl=${Math.floor(ttl / 1000)}`;
}

/** Of an entry that somebody else wrote: what would frame its body otherwise, or speak to one client. */
const NEVER_STORED = new Set(["content-length", "transfer-encoding", "connection", "set-cookie"]);

/** Takes back what {@link answerWith} had set before it threw. */
export function takeBack(response: ServerResponse, { fields }: Entry): void {
  for (const name in fields) {
    if (/^[\w-]+$/.test(name)) response.removeHeader(name);
  }
  for (const name of ["Age", "Cache-Status"]) response.removeHeader(name);
}

/** Sends the entry, or 304 where the client has it (RFC 9110, section 13). */
export function answerWith(
  request: IncomingMessage,
  response: ServerResponse,
  entry: Entry,
  cacheStatus: string,
): void {
  const { fields, status, body } = entry;
  const hasIt = status < 300 && isNotModified(request.headers, fields);
  for (const name in fields) {
    if (NEVER_STORED.has(name)) continue;
    if (hasIt && name.startsWith("content-") && name !== "content-location") continue;
    writeField(response, name, fields[name]!);
  }
  response.setHeader("Age", String(Math.max(0, Math.floor((Date.now() - entry.bornAt) / 1000))));
  setCacheStatus(response, cacheStatus);
  response.statusCode = hasIt ? 304 : status;
  if (hasIt) {
    response.removeHeader("Content-Length");
    response.end();
    return;
  }
  if (request.method !== "HEAD") {
    response.end(body); // Node counts it.
    return;
  }
  if (status !== 204) response.setHeader("Content-Length", body.length);
  response.end();
}

/** A middleware before the cache may answer while the cache looks, as timeouts do. */
export function isAnswered(response: ServerResponse): boolean {
  const { stream } = response as { stream?: { destroyed: boolean } }; // Of HTTP/2, whose responses have no `destroyed`.
  return (
    stream?.destroyed === true ||
    response.destroyed ||
    response.headersSent ||
    response.writableEnded
  );
}

/** RFC 9111, section 5.2.1.7. */
export function answerNotCached(response: ServerResponse): void {
  response.statusCode = 504;
  response.end();
}
