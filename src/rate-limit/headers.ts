/** The RateLimit header fields, in the spellings of three drafts and the older X- ones. */
import type { ServerResponse } from "node:http";
import type { HeaderStyle } from "./options.ts";
import { oneOfEachName, resetOf, type Row, strictest } from "./rows.ts";

const seconds = (milliseconds: number): number => Math.max(0, Math.ceil(milliseconds / 1000));

/** Several limiters of one route share one list-valued field (RFC 9110, section 5.3). */
function append(response: ServerResponse, name: string, value: string): void {
  const present = response.getHeader(name);
  response.setHeader(name, present === undefined ? value : `${String(present)}, ${value}`);
}

/** Writes the fields of one limiter. */
export function writeHeaders(
  response: ServerResponse,
  rows: readonly Row[],
  style: HeaderStyle,
  legacy: boolean,
): void {
  if (response.headersSent || rows.length === 0) return;
  if (style === "draft-8") {
    const policies = oneOfEachName(rows);
    append(response, "RateLimit-Policy", policies.map(policyOf).join(", "));
    append(response, "RateLimit", policies.map(limitOf).join(", "));
    if (!legacy) return;
  }
  if (style === false && !legacy) return;
  writeStrictest(response, [...(written.get(response) ?? []), ...rows], style, legacy);
}

/** What the limiters before have written: these fields hold one quota, and the strictest is to stand there. */
const written = new WeakMap<ServerResponse, readonly Row[]>();

function writeStrictest(
  response: ServerResponse,
  rows: readonly Row[],
  style: HeaderStyle,
  legacy: boolean,
): void {
  written.set(response, rows);
  const row = strictest(rows);
  const { limit, remaining, reset } = {
    limit: row.quota.limit,
    remaining: row.standing.remaining,
    reset: seconds(resetOf(row)),
  };
  if (legacy) {
    response.setHeader("X-RateLimit-Limit", limit);
    response.setHeader("X-RateLimit-Remaining", remaining);
    response.setHeader("X-RateLimit-Reset", Math.ceil(Date.now() / 1000) + reset);
  }
  if (style === "draft-7" || style === "draft-6") {
    const policies = rows.map(({ quota }) => `${quota.limit};w=${seconds(quota.window)}`);
    response.setHeader("RateLimit-Policy", policies.join(", "));
  }
  if (style === "draft-7") {
    response.setHeader("RateLimit", `limit=${limit}, remaining=${remaining}, reset=${reset}`);
  } else if (style === "draft-6") {
    response.setHeader("RateLimit-Limit", limit);
    response.setHeader("RateLimit-Remaining", remaining);
    response.setHeader("RateLimit-Reset", reset);
  }
}

function policyOf({ name, quota }: Row): string {
  return `"${name}";q=${quota.limit};w=${seconds(quota.window)}`;
}

function limitOf(row: Row): string {
  return `"${row.name}";r=${row.standing.remaining};t=${seconds(resetOf(row))}`;
}

/** `Retry-After` in whole seconds, at least 1. */
export function writeRetryAfter(response: ServerResponse, milliseconds: number): void {
  if (!response.headersSent) response.setHeader("Retry-After", Math.max(1, seconds(milliseconds)));
}
