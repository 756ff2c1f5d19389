/** Answers a request from a stored entry. */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import fresh from "fresh";
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
  const others = tokensOf(present).filter((item) => !item.startsWith(NAME));
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

/** Gives a response the fields back that it had. */
export function resetHeader(response: ServerResponse, fields: OutgoingHttpHeaders): void {
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) response.setHeader(name, value);
  }
}

/** `hit` and how long the entry is fresh yet; negative once it is stale (RFC 9211, section 2.1). */
export function hitStatus(ttl: number): string {
  return `hit; ttl=${Math.floor(ttl / 1000)}`;
}

/** Sends the entry, or 304 where the client has it (RFC 9110, section 13). */
export function answerWith(
  request: IncomingMessage,
  response: ServerResponse,
  entry: Entry,
  cacheStatus: string,
): void {
  const { fields, status, body } = entry;
  const isNotModified =
    status < 300 && isConditional(request) && fresh(request.headers, validators(entry));
  for (const name in fields) {
    if (isNotModified && name.startsWith("content-") && name !== "content-location") continue;
    writeField(response, name, fields[name]!);
  }
  response.setHeader("Age", String(Math.max(0, Math.floor((Date.now() - entry.bornAt) / 1000))));
  setCacheStatus(response, cacheStatus);
  response.statusCode = isNotModified ? 304 : status;
  if (isNotModified) {
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

function isConditional({ headers }: IncomingMessage): boolean {
  return headers["if-none-match"] !== undefined || headers["if-modified-since"] !== undefined;
}

function validators({ fields }: Entry): Record<string, string | string[] | undefined> {
  return { etag: fields["etag"], "last-modified": fields["last-modified"] };
}
